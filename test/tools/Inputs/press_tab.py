"""press_tab.py SHELL SCRIPT LINE...: types lines into an interactive shell that has read the script, '^' for the tab key,
and prints the words that `attnc`, which does nothing but tell them, then gets, a line each. bash or zsh."""
import os
import pty
import re
import sys

shell, script, *lines = sys.argv[1:]
start = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'"),
    "zsh": (["zsh", "-f", "-i"], "unset zle_bracketed_paste; autoload -U compinit; compinit -u -D"),
}
command, setup = start[shell]
# Keys that arrive before the shell reads them are read later: nothing here depends on time.
typed = [
    setup,
    f"source {script}",
    "attnc() { printf '<%s>' GOT \"$@\"; printf '\\n'; }",
    *(line.replace("^", "\t") for line in lines),
    "exit",
]
child, terminal = pty.fork()
if child == 0:
    os.environ.update(TERM="dumb", INPUTRC=os.devnull)
    os.execvp(command[0], command)
os.write(terminal, "".join(line + "\n" for line in typed).encode())
shown = b""
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # the shell is gone
        break
    if not piece:
        break
    shown += piece
os.waitpid(child, 0)
for words in re.findall(r"^<GOT>(.*)", shown.decode(errors="replace").replace("\r", "\n"), re.M):
    print(words)
