"""Compiles a matrix of specs for sm_80 and assembles each for two chips. Local memory on sm_80 fails, but for masks
that read run-time inputs: with a few words there they are faster than with one row block a warp
(bench/gpu/results/h200). sm_90, whose registers ptxas assigns in another way, may spill a few words.

Each mask takes some of the head dimensions, so that all of them occur; with ATTNC_DRAWS in the environment
every mask takes every dimension in both types.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

MASKS = [
    ("[?]", "", "all"),
    ("[?]", "", "causal"),
    ("[?]", "", "causal(top_left)"),
    ("[?]", "", "window(100)"),
    ("[?]", "", "sink(5) | window(left = 5, right = 9)"),
    ("[?]", "input len : i32[batch]", "prefix(len) | causal"),
    ("[1000]", "input doc : i32[tokens]", "causal & same(doc)"),
    ("[?]", "", "(causal & (window(64) | sink(4))) | !window(200)"),
    ("[1000]", "", "neighborhood(window = [31], stride = [3], dilation = [2])"),
    ("[40, 50]", "", "neighborhood(window = [9, 9], stride = [2, 1], dilation = [1, 2], causal = [true, false])"),
    ("[32, 32]", "", "neighborhood(window = [7, 7], border = zero)"),
    ("[?, 32, 32]", "", "neighborhood(window = [5, 9, 9], dilation = [1, 1, 2])"),
    ("[10, 12, 20]", "", "neighborhood(window = [3, 4, 5]) & !sink(9)"),
    ("[?]", "input m : bool[1, 1, tokens, kv_tokens]", "from(m)"),
    ("[?]", "", "(q, k) => (q - k) % 3 == 0 && q >= k"),
    ("[4096]", "input rows : i32[65]\n input cols : i32[?]", "blocks(rows, cols, size = 64)"),
    ("[1] kv_tokens [?]", "", "causal"),
    ("[?]", "", "causal & window(512) heads 0..1 { mask causal } heads 2 { mask causal & (window(64) | sink(4)) }"),
    ("[?]", "", "causal score (s, q, k) => softcap(s, 50)"),
    ("[?]", "input doc : i32[tokens]",
     "causal & same(doc) score (s, q, k, h) => softcap(s, 30) + alibi(h) * (k - q)"),
]
HEAD_DIMS = range(16, 257, 16)
MOST_LOCAL_BYTES = {"sm_80": 0, "sm_90": 32}
MOST_LOCAL_BYTES_WITH_INPUTS = {"sm_80": 40, "sm_90": 32}


def jobs():
    everything = "ATTNC_DRAWS" in os.environ
    for number, mask in enumerate(MASKS):
        for step, head_dim in enumerate(HEAD_DIMS):
            for type_number, dtype in enumerate(("bf16", "f16")):
                # Of the 16 dimensions every fourth, 64 and 128 always; types alternate.
                chosen = (step + number) % 4 == 0 or head_dim in (64, 128)
                if everything or (chosen and (step // 4 + number + type_number) % 2 == 0):
                    yield mask, head_dim, dtype


def check(folder, ptxas, job):
    (tokens, inputs, mask), head_dim, dtype = job
    name = os.path.join(folder, f"{dtype}_{head_dim}_{MASKS.index(job[0])}")
    spec = (f"kernel k {{ heads 4 kv_heads 2 head_dim {head_dim} dtype {dtype} "
            f"tokens {tokens} {inputs}\n  mask {mask} }}\n")
    with open(name + ".attn", "w") as file:
        file.write(spec)
    subprocess.run(["attnc", "compile", name + ".attn", "--target=sm_80", "--emit=ptx",
                    "-o", name + ".ptx"], check=True)
    for chip, most in (MOST_LOCAL_BYTES_WITH_INPUTS if inputs else MOST_LOCAL_BYTES).items():
        result = subprocess.run([ptxas, f"-arch={chip}", "-v", name + ".ptx", "-o", "/dev/null"],
                                capture_output=True, text=True)
        local = [int(number) for number in re.findall(r"(\d+) bytes stack frame", result.stderr)]
        if result.returncode != 0 or not local or max(local) > most:
            sys.exit(f"{chip} takes more local memory than {most} bytes, or refuses\n{spec}{result.stderr}")


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = [pool.submit(check, folder, os.environ["PTXAS"], job) for job in jobs()]
        for future in done:
            future.result()
    print(len(done), "kernels")


main()
