#!/usr/bin/env python3
"""Captures Q, K, V and the attention output of MiniLM on a page of text.

Runs the published model with hooks on its attention layers, so that `o` is what the model itself
computed, and writes one safetensors file a layer. README.md says what to install.
"""
import argparse
import math
import pathlib

import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

LAYERS = (0, 2, 5)
TOKENS = 256
HERE = pathlib.Path(__file__).resolve().parent


def split_heads(x, heads):
    """[batch, tokens, heads * dim] -> [batch, heads, tokens, dim]"""
    batch, tokens, width = x.shape
    return x.view(batch, tokens, heads, width // heads).transpose(1, 2).contiguous()


def capture(model, ids):
    """{layer: {q, k, v, o}} of one run: the projections' outputs, and what enters the output projection."""
    heads = model.config.num_attention_heads
    taken = {layer: {} for layer in LAYERS}

    def keep_output(layer, name):
        return lambda module, args, output: taken[layer].update({name: split_heads(output, heads)})

    def keep_input(layer, name):
        return lambda module, args: taken[layer].update({name: split_heads(args[0], heads)})

    hooks = []
    for layer in LAYERS:
        attention = model.encoder.layer[layer].attention
        own = getattr(attention, "self")
        for name, projection in (("q", own.query), ("k", own.key), ("v", own.value)):
            hooks.append(projection.register_forward_hook(keep_output(layer, name)))
        hooks.append(attention.output.dense.register_forward_pre_hook(keep_input(layer, "o")))
    with torch.inference_mode():
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    for hook in hooks:
        hook.remove()
    return taken


def difference(t):
    """max |softmax(Q K^T / sqrt(d)) V - o| in f64: the captured tensors belong together."""
    q, k, v, o = (t[name].double() for name in "qkvo")
    p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    return (p @ v - o).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="folder with config.json, model.safetensors and vocab.txt")
    parser.add_argument("--page", type=pathlib.Path, default=HERE / "page.txt")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    args = parser.parse_args()

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    ids = tokenizer(args.page.read_text(), truncation=True, max_length=TOKENS, return_tensors="pt")["input_ids"]
    if ids.shape[1] != TOKENS:
        raise SystemExit(f"error: '{args.page}' has {ids.shape[1]} tokens, but {TOKENS} are needed; give a longer page")
    model = AutoModel.from_pretrained(args.model, dtype=torch.float32).eval()

    for layer, tensors in capture(model, ids).items():
        error = difference(tensors)
        if error > 1e-5:
            raise SystemExit(f"error: layer {layer} differs from its own attention by {error:.3g}, more than 1e-5")
        path = args.out / f"layer{layer}.safetensors"
        partial = path.with_suffix(".partial")
        save_file({name: x.contiguous() for name, x in tensors.items()}, partial, metadata={
            "model": "sentence-transformers/all-MiniLM-L6-v2",
            "layer": str(layer),
            "source": "page.txt: Charles Dickens, A Tale of Two Cities (1859), opening",
        })
        partial.chmod(0o644)  # safetensors makes files for their owner alone
        partial.replace(path)
        print(f"{path.name}: q k v o {list(tensors['q'].shape)}, max |softmax(QK^T)V - o| = {error:.2g}")


if __name__ == "__main__":
    main()
