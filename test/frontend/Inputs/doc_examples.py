"""Runs the examples of a page: doc_examples.py PAGE FOLDER ATTNC

A fence marked `attn` holds a spec that must compile; `attn NAME.attn` names it. A fence marked
`json NAME.json` holds a file that specs read. A fence marked
`text NAME.attn` holds, line by line, what attnc says about the spec of that name, which it must refuse.
Specs are written into FOLDER. Says what differs and exits with 1, or prints how many examples ran.
"""
import pathlib
import re
import subprocess
import sys

page, folder, attnc = sys.argv[1:]
folder = pathlib.Path(folder)
folder.mkdir(parents=True, exist_ok=True)
text = pathlib.Path(page).read_text()

specs, answers = {}, {}
for number, match in enumerate(re.finditer(r"^```(attn|text|json)(?: (\S+))?\n(.*?)^```$", text, re.M | re.S)):
    kind, name, body = match.groups()
    if kind == "attn":
        specs[name or f"example-{number}.attn"] = body
    elif kind == "json" and name:
        (folder / name).write_text(body)
    elif name:
        answers[name] = body

wrong = [f"{name}: an answer without a spec" for name in answers.keys() - specs.keys()]
for name, body in specs.items():
    (folder / name).write_text(body)
    run = subprocess.run([attnc, "compile", name, "--emit=attn"], cwd=folder, capture_output=True, text=True)
    if name not in answers and (run.returncode or run.stderr):
        wrong.append(f"{name}: must compile, but\n{run.stderr}")
    if name in answers and (run.returncode != 1 or run.stderr.rstrip() != answers[name].rstrip()):
        wrong.append(f"{name}: the page says\n{answers[name]}\nattnc says\n{run.stderr}")
for message in wrong:
    print(message)
print(f"{len(specs)} examples, {len(answers)} of them refused")
sys.exit(bool(wrong))
