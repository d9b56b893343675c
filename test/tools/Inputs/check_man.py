"""check_man.py PAGE: whether attnc(1) has all verbs and options of help and completion, and is sound roff."""
import re
import subprocess
import sys


def told(*words):
    return subprocess.run(["attnc", *words], stdout=subprocess.PIPE, text=True, check=True).stdout


page = open(sys.argv[1]).read()
plain = page.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")
sections = {m[1]: m[2] for m in re.finditer(r"^\.SS attnc (\S+)\n(.*?)(?=^\.S[HS] )", plain, re.M | re.S)}
verbs = re.findall(r"^  ([a-z]+)  ", told("--help"), re.M)
assert len(verbs) >= 12 and list(sections) == verbs, (verbs, list(sections))
for verb in verbs:
    rows = re.findall(r"^  (?:(-\w), )?(--[a-z-]+)[ \[]", told(verb, "--help"), re.M)
    offered = re.search(rf"^    {verb}\)\n      options='([^']*)'", told("completion", "bash"), re.M)[1].split()
    of_page = re.findall(r"\\fB(--?[a-zA-Z-]+)\\fR", sections[verb])
    assert sorted(of_page) == sorted(name.rstrip("=") for name in offered), (verb, of_page, offered)
    assert rows and all(long in of_page for _, long in rows), (verb, rows)
    example = told(verb, "--help").split("example:\n  ")[1].strip()
    assert example in sections[verb], (verb, example)

# Requests that are known, one to begin a line; nothing that roff would take for one.
known = {".TH", ".SH", ".SS", ".TP", ".PP", ".EX", ".EE", ".B", ".br"}
for number, line in enumerate(page.splitlines(), 1):
    assert line and not line.startswith("'"), f"line {number}: {line!r}"
    assert not line.startswith(".") or line.split()[0] in known, f"line {number}: {line!r}"
    assert not re.search(r"\\(?!-|fB|fI|fR|e|\(aq|&)", line), f"line {number}: {line!r}"
