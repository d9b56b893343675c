"""silent.py COMMAND...: runs it, and fails where it fails or says anything."""
import subprocess
import sys

done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
if done.returncode != 0 or done.stdout:
    sys.exit(f"{sys.argv[1:]} returned {done.returncode} and said:\n{done.stdout.decode()}")
