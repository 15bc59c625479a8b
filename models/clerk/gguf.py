"""Reads a clerk GGUF back: the flat float32 weights in the order of train.py's Model, and the tokenizer's pieces."""
import struct

import numpy as np

import tokenizer as K

SCALAR = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0

    def take(fmt):
        nonlocal at
        value = struct.unpack_from(fmt, data, at)[0]
        at += struct.calcsize(fmt)
        return value

    def text():
        nonlocal at
        n = take("<Q")
        at += n
        return data[at - n:at].decode()

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, n = take("<I"), take("<Q")
            return [value(inner) for _ in range(n)]
        return take(SCALAR[kind])

    assert data[:4] == b"GGUF"
    at = 4
    take("<I")
    tensors, count = take("<Q"), take("<Q")
    meta = {}
    for _ in range(count):
        key = text()
        meta[key] = value(take("<I"))
    infos = []
    for _ in range(tensors):
        name = text()
        dims = [take("<Q") for _ in range(take("<I"))]
        infos.append((name, dims, take("<I"), take("<Q")))
    base = (at + 31) // 32 * 32
    out = []
    for name, dims, kind, offset in infos:
        n = int(np.prod(dims))
        if kind == 0:
            out.append(np.frombuffer(data, "<f4", n, base + offset))
        elif kind == 8:
            blocks = np.frombuffer(data, np.dtype([("d", "<f2"), ("q", "i1", 32)]), n // 32, base + offset)
            out.append((blocks["d"].astype(np.float32)[:, None] * blocks["q"].astype(np.float32)).reshape(-1))
        else:
            raise ValueError(f"{name}: type {kind}")
    return meta, np.concatenate(out).astype(np.float32)


def pieces(meta):
    """The whole-word tokens, decoded from GPT-2's stand-in characters; None for unused slots."""
    back = {c: b for b, c in K.byte_chars().items()}
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    return [bytes(back[c] for c in t).decode() if k == 1 else None for t, k in zip(tokens[K.BYTE0 + 256:], types[K.BYTE0 + 256:])]
