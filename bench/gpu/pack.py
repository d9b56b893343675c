#!/usr/bin/env python3
"""Fills a bundle for a machine with a GPU: scripts/gpu-pack.sh calls it. Standard library only.

    pack.py packages --attnc=PROGRAM --bundle=FOLDER [--quick] [--gpu=NAME]   compiles the specs, asks the simulator about the cases
    pack.py manifest --attnc=PROGRAM --bundle=FOLDER --source=TREE
"""
import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

TARGETS = ["sm_80"]
GPUS = ["a100", "h100", "h200"]  # whose times the simulator is asked for


def said(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def cases_of(bundle):
    return json.loads((bundle / "bench/gpu/specs/cases.json").read_text())


def packages(options):
    bundle = options.bundle
    refused, compiled = {}, []
    cases = [case for case in cases_of(bundle) if case.get("quick") or not options.quick]
    for spec in dict.fromkeys(case["spec"] for case in cases):
        source, target = bundle / "bench/gpu/specs" / f"{spec}.attn", bundle / "packages" / f"{spec}.attnpkg"
        done = said([options.attnc, "compile", source, "--emit=package", f"--target={','.join(TARGETS)}", f"--gpu={options.gpu}", "-o", target])
        if done.returncode == 0:
            compiled.append(spec)
            continue
        # A spec that the compiler cannot do yet is no reason to have none; the run says why it is missing.
        refused[spec] = done.stdout.decode(errors="replace").replace(f"{bundle}/", "").strip()[:2000]
        print(f"note: '{spec}' is left out: {refused[spec].splitlines()[0] if refused[spec] else 'no reason given'}")
    if not compiled:
        sys.exit("error: no spec could be compiled")
    (bundle / "refused.json").write_text(json.dumps(refused, indent=1) + "\n")
    if not options.quick:
        tile_variants(options.attnc, bundle)
    for case in cases:
        predict(options.attnc, bundle, case)


def tile_variants(attnc, bundle):
    """Packages of specs/tiles.json; variants.json names them."""
    specs = {case["name"]: case["spec"] for case in cases_of(bundle)}
    rows = []
    for entry in json.loads((bundle / "bench/gpu/specs/tiles.json").read_text()):
        spec = specs[entry["case"]]
        for q_tile, k_tile in entry["tiles"]:
            package = f"{spec}@{q_tile}@{k_tile}.attnpkg"
            done = said([attnc, "compile", bundle / "bench/gpu/specs" / f"{spec}.attn", "--emit=package", "--arch=sm_90",
                         f"--target={','.join(TARGETS)}", f"--q-tile={q_tile}", f"--k-tile={k_tile}", "-o", bundle / "packages" / package])
            if done.returncode == 0:
                rows.append({"case": entry["case"], "variant": f"query tile {q_tile}, key tile {k_tile}", "package": package})
            else:
                print(f"note: {package} is left out: {done.stdout.decode(errors='replace').strip()[:300]}")
    (bundle / "variants.json").write_text(json.dumps(rows, indent=1) + "\n")


def layout(lengths):
    return "x".join(map(str, lengths))


def predict(attnc, bundle, case):
    """Counts and bounds of a case, and times on the GPUs that the simulator knows, where it gives them."""
    source = bundle / "bench/gpu/specs" / f"{case['spec']}.attn"
    command = [attnc, "simulate", source, "--format=json"]
    text = source.read_text()
    if "?" in text.split("tokens", 1)[1].split("]")[0]:
        command.append(f"--tokens={layout(case['tokens'])}")
    if "kv_tokens" in text and case["kv_tokens"] != case["tokens"]:
        command.append(f"--kv-tokens={layout(case['kv_tokens'])}")
    found = simulated(command, case)
    if found is None:
        return
    found["times"] = {gpu: timed["time"] for gpu in GPUS if (timed := simulated([*command, f"--gpu={gpu}", f"--target={TARGETS[0]}"], case))}
    (bundle / "predictions" / (case["name"].replace(" ", "_") + ".json")).write_text(json.dumps(found, indent=1) + "\n")


def simulated(command, case):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        print(f"note: no prediction for '{case['name']}': {done.stderr.decode(errors='replace').strip()[:300]}")
        return None
    return json.loads(done.stdout)


def manifest(options):
    bundle = options.bundle
    commit = said(["git", "-C", options.source, "rev-parse", "HEAD"])
    tools = {}
    for tool in ("nvcc", "ptxas"):
        if shutil.which(tool):
            tools[tool] = said([tool, "--version"]).stdout.decode(errors="replace").strip().split("\n")[-1]
    refused = bundle / "refused.json"
    files = {str(path.relative_to(bundle)): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in sorted(bundle.rglob("*")) if path.is_file() and path != refused and "__pycache__" not in path.parts}
    text = json.dumps({"format": 1, "compiler": said([options.attnc, "--version"]).stdout.decode(errors="replace").strip(),
                       "commit": commit.stdout.decode().strip() if commit.returncode == 0 else None, "tools": tools,
                       "targets": TARGETS, "refused": json.loads(refused.read_text()), "files": files}, indent=1)
    refused.unlink()
    (bundle / "manifest.json").write_text(text + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, function in (("packages", packages), ("manifest", manifest)):
        verb = verbs.add_parser(name)
        verb.set_defaults(function=function)
        verb.add_argument("--attnc", type=Path, required=True)
        verb.add_argument("--bundle", type=Path, required=True)
    verbs.choices["packages"].add_argument("--quick", action="store_true")
    verbs.choices["packages"].add_argument("--gpu", default="a100", help="the GPU for which tiles are chosen")
    verbs.choices["manifest"].add_argument("--source", required=True)
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
