"""ptxas_verify.py PTXAS ARGUMENTS... [FILE]: assembles PTX (the standard input where no file is named) and
fails on whatever ptxas refuses, on spilled registers, and on messages of the C75xx family, which tell of
instructions that were serialised."""
import os
import re
import subprocess
import sys
import tempfile


def main():
    ptxas, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        if all(argument.startswith("-") for argument in arguments):
            source = os.path.join(folder, "stdin.ptx")
            with open(source, "wb") as file:
                file.write(sys.stdin.buffer.read())
            arguments.append(source)
        command = [ptxas, "-v", "-warn-spills", "-o", os.path.join(folder, "out.cubin"), *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sys.stdout.write(done.stdout)
    bad = re.search(r"C75\d\d|[1-9]\d* bytes spill|warning", done.stdout)
    if done.returncode or bad:
        sys.exit(f"refused ({bad.group(0) if bad else 'see above'}): {' '.join(command)}")


main()
