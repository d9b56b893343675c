"""Who sees whom, written once more from the papers' definitions: a second opinion on the compiler, for numpy and torch.

`visible(xp, mask, lengths, head, q, k, inputs)` gives a boolean array: q [rows, 1] and k [1, keys] are token numbers,
`lengths` has "tokens", "kv_tokens" (layouts) and `inputs` the run-time inputs as arrays of xp, which is numpy or torch.
`mask` is the object of specs/cases.json: {"kind": ..., parameters}.
"""
import math


def total(layout):
    return math.prod(layout)


def offset(lengths):
    """Relative masks count the last query as the last key."""
    return total(lengths["kv_tokens"]) - total(lengths["tokens"])


def dense(xp, mask, lengths, head, q, k, inputs):
    return (q >= 0) & (k >= 0)


def causal(xp, mask, lengths, head, q, k, inputs):
    return k <= q + offset(lengths)


def window(xp, mask, lengths, head, q, k, inputs):
    """The last `window` keys, the query's own among them, and the first `sink`."""
    p = q + offset(lengths)
    return (k <= p) & ((p - k < mask["window"]) | (k < mask.get("sink", 0)))


def documents(xp, mask, lengths, head, q, k, inputs):
    """Labels of tokens; causal within a document (arXiv 2404.19737 and others pack so)."""
    labels = inputs["document"]
    return (labels[q[:, 0]][:, None] == labels[k[0]][None, :]) & (k <= q + offset(lengths))


def strided(xp, mask, lengths, head, q, k, inputs):
    """Sparse Transformer (arXiv 1904.10509): the last `window` keys and every `stride`-th before them."""
    distance = q + offset(lengths) - k
    return (distance >= 0) & ((distance < mask["window"]) | (distance % mask["stride"] == 0))


def spans(xp, mask, lengths, head, q, k, inputs):
    """Mixture of Attention Spans (arXiv 2406.14909): 64 first keys, and blocks of 64 up to the query's own, as many as
    the head's span alpha + beta N has, at least 128 and a multiple of 64."""
    length = total(lengths["kv_tokens"]) + mask["max_new_tokens"]
    kept = min(int(mask["alphas"][head] + mask["betas"][head] * length), length)
    span = -(-max(kept, 128) // 64) * 64
    p = q + offset(lengths)
    next_block = (p // 64 + 1) * 64
    return (k <= p) & ((k < 64) | (k >= next_block - (span - 64)))


def neighborhood(xp, mask, lengths, head, q, k, inputs):
    """Generalised neighbourhoods (arXiv 2504.16922): in every dimension a window of w keys around the leader of the
    query's group of `stride`, moved inside at the edges, never shortened."""
    dims = lengths["tokens"]
    result = dense(xp, mask, lengths, head, q, k, inputs)
    inner = 1
    for d in reversed(range(len(dims))):
        length, w, s = dims[d], mask["window"][d], mask.get("stride", [1] * len(dims))[d]
        qd, kd = q // inner % length, k // inner % length
        leader = qd // s * s + s // 2
        leader = xp.where(leader > length - 1, leader * 0 + length - 1, leader)
        start = leader - w // 2
        start = xp.where(start > length - w, start * 0 + length - w, start)
        start = xp.where(start < 0, start * 0, start)
        result = result & (kd >= start) & (kd < start + w)
        inner *= length
    return result


KINDS = {"dense": dense, "causal": causal, "window": window, "documents": documents, "strided": strided, "spans": spans,
         "neighborhood": neighborhood}


def visible(xp, mask, lengths, head, q, k, inputs):
    return KINDS[mask["kind"]](xp, mask, lengths, head, q, k, inputs)


def depends_on_head(mask):
    return mask["kind"] == "spans"


def flex_mask(torch, mask, lengths, inputs):
    """The same as FlexAttention's mask_mod(b, h, q, k) on scalars; None for dense."""
    shift = offset(lengths)
    kind = mask["kind"]
    if kind == "dense":
        return None
    if kind == "causal":
        return lambda b, h, q, k: k <= q + shift
    if kind == "window":
        w, sink = mask["window"], mask.get("sink", 0)
        return lambda b, h, q, k: (k <= q + shift) & ((q + shift - k < w) | (k < sink))
    if kind == "documents":
        labels = inputs["document"]
        return lambda b, h, q, k: (labels[q] == labels[k]) & (k <= q + shift)
    if kind == "strided":
        w, s = mask["window"], mask["stride"]
        return lambda b, h, q, k: (k <= q + shift) & ((q + shift - k < w) | ((q + shift - k) % s == 0))
    if kind == "spans":
        length = total(lengths["kv_tokens"]) + mask["max_new_tokens"]
        kept = [min(int(a + b * length), length) for a, b in zip(mask["alphas"], mask["betas"])]
        span = torch.tensor([-(-max(n, 128) // 64) * 64 for n in kept], device=inputs["device"])
        return lambda b, h, q, k: ((k <= q + shift)
                                   & ((k < 64) | (k >= ((q + shift) // 64 + 1) * 64 - (span[h] - 64))))
    dims, w = lengths["tokens"], mask["window"]
    s = mask.get("stride", [1] * len(dims))

    def near(b, h, q, k):
        result = q >= 0
        inner = 1
        for d in reversed(range(len(dims))):
            qd, kd = q // inner % dims[d], k // inner % dims[d]
            leader = torch.clamp(qd // s[d] * s[d] + s[d] // 2, max=dims[d] - 1)
            start = torch.clamp(leader - w[d] // 2, 0, dims[d] - w[d])
            result = result & (kd >= start) & (kd < start + w[d])
            inner *= dims[d]
        return result
    return near
