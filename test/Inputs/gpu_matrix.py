"""Compiles a matrix of specs for sm_80 and assembles each for two chips. A spill fails."""

import os
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
    ("[10, 12, 20]", "", "neighborhood(window = [3, 4, 5]) & !sink(9)"),
    ("[?]", "input doc : i32[tokens]",
     "causal & same(doc) score (s, q, k, h) => softcap(s, 30) + alibi(h) * (k - q)"),
]


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    ptxas = os.environ["PTXAS"]
    for dtype in ("f16", "bf16"):
        for head_dim in (64, 128):
            for number, (tokens, inputs, mask) in enumerate(MASKS):
                name = os.path.join(folder, f"{dtype}_{head_dim}_{number}")
                with open(name + ".attn", "w") as spec:
                    spec.write(f"kernel k {{ heads 4 kv_heads 2 head_dim {head_dim} dtype {dtype} "
                               f"tokens {tokens} {inputs}\n  mask {mask} }}\n")
                subprocess.run(["attnc", "compile", name + ".attn", "--target=sm_80", "--emit=ptx",
                                "-o", name + ".ptx"], check=True)
                for chip in ("sm_80", "sm_90"):
                    subprocess.run([ptxas, f"-arch={chip}", "-warn-spills", "-Werror",
                                    name + ".ptx", "-o", "/dev/null"], check=True)


main()
