#!/usr/bin/env python3
"""Fine-tunes a clerk GGUF on mail (mails.py) and the old generator's messages (generate.py), on CPU.

    OPENBLAS_CORETYPE=SkylakeX OPENBLAS_NUM_THREADS=1 python3 finetune.py --base base.gguf --minutes 45 --out run

Two processes (one for the first --solo minutes); the weights are shared, process 0 makes the steps. The learning
rate warms up and follows a cosine to 0 over wall-clock time, or with --steps over steps, in one process and reproducibly. mails/ is read again when it
changes (not with --steps). Writes what export.mjs reads.
"""
import argparse
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

import generate as G
import gguf
import mails as M
import narrow as N
import tokenizer as K
import train as T
import vocabulary as V


def grow(pieces, weights, wanted):
    """A larger vocabulary: the old tokens keep their places, and each new one begins as the mean of the bytes it stands for."""
    old = K.Tokenizer(pieces)
    new = V.extra([p for p in pieces if p], wanted)
    free = [i for i, p in enumerate(pieces) if p is None]
    pieces = list(pieces)
    for piece in new:
        if free:
            pieces[free.pop(0)] = piece
        else:
            pieces.append(piece)
    tok = K.Tokenizer(pieces)
    table = np.zeros((tok.size, T.DIM), np.float32)
    table[:old.size] = weights[:old.size * T.DIM].reshape(old.size, T.DIM)
    for piece in new:
        table[tok.ids[piece]] = table[[K.BYTE0 + b for b in piece.encode()]].mean(0)
    return pieces, np.concatenate([table.reshape(-1), weights[old.size * T.DIM:]])


def hidden(model, x, prefix, start):
    """Model.hidden at the positions from start on, for sequences that share their first tokens: these are computed once,
    and the last layer only where its result is wanted."""
    w, n = model.t, x.shape[1]
    batch, rest = x.shape[0], n - prefix
    mask = torch.full((n, n), -1e9).triu(1)
    norm = lambda h, g: h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + T.EPS) * g
    heads = lambda y: y.view(y.shape[0], y.shape[1], T.HEADS, T.HEAD).transpose(1, 2)

    def rope(y, at):
        a, b = y[..., 0::2], y[..., 1::2]
        c, s = model.cos[at:at + y.shape[2]], model.sin[at:at + y.shape[2]]
        return torch.stack([a * c - b * s, a * s + b * c], -1).flatten(-2)

    def attend(q, k, v, at):
        parts = []
        for s in range(0, q.shape[2], T.SLICE):
            e = min(s + T.SLICE, q.shape[2])
            parts.append(F.softmax(q[:, :, s:e] @ k[:, :, :at + e].transpose(-1, -2) + mask[at + s:at + e, :at + e], -1) @ v[:, :, :at + e])
        a = torch.cat(parts, 2)
        return a.transpose(1, 2).reshape(a.shape[0], a.shape[2], T.DIM)

    def block(i, h, a):
        h = h + F.linear(a, w[f"{i}.o"])
        y = norm(h, w[f"{i}.ffn_norm"])
        return h + F.linear(F.silu(F.linear(y, w[f"{i}.gate"])) * F.linear(y, w[f"{i}.up"]), w[f"{i}.down"])

    h0, h = F.embedding(x[:1, :prefix], w["embd"]), F.embedding(x[:, prefix:], w["embd"])
    for i in range(T.LAYERS):
        last = i == T.LAYERS - 1
        y0, y = norm(h0, w[f"{i}.attn_norm"]), norm(h, w[f"{i}.attn_norm"])
        k0, v0 = rope(heads(F.linear(y0, w[f"{i}.k"])), 0), heads(F.linear(y0, w[f"{i}.v"]))
        k, v = rope(heads(F.linear(y, w[f"{i}.k"])), prefix), heads(F.linear(y, w[f"{i}.v"]))
        k, v = (torch.cat([p.expand(batch, -1, -1, -1), r], 2) for p, r in ((k0, k), (v0, v)))
        at = start if last else prefix
        q = rope(heads(F.linear(y[:, at - prefix:], w[f"{i}.q"])), at) * T.HEAD ** -.5
        h = block(i, h[:, at - prefix:], attend(q, k, v, at))
        if not last:
            q0 = rope(heads(F.linear(y0, w[f"{i}.q"])), 0) * T.HEAD ** -.5
            h0 = block(i, h0, attend(q0, k0, v0, 0))
    return norm(h, w["norm"])


def loss_of(model, batch, hold, prefix):
    """The loss on the answers, as in train.py; the tokens that decide count more."""
    x, y, answer, _ = T.pad(batch)
    start = min(len(p) for p, _ in batch) - 1
    h = hidden(model, x, prefix, start)
    y, answer = y[:, start:], answer[:, start:]
    each = F.cross_entropy(h[answer] @ model.t["embd"].T, y[answer], reduction="none")
    decides = torch.zeros(y.shape, dtype=torch.bool)
    for i, (p, a) in enumerate(batch):
        decides[i, len(p) + 2 - start] = True
        if a[3] == hold:
            decides[i, len(p) + 6 - start] = True
    weight = 1 + (T.DECISION_WEIGHT - 1) * decides[answer].float()
    return (each * weight).sum() / weight.sum(), each.mean().item(), x.numel()


def cases(tok, examples):
    return [(tok.prompt(e), tok.answer(e), json.loads(e["expected"]).get("reason", "transfer")) for e in examples]


def check(model, sets, log, note):
    for name, seqs in sets.items():
        share = T.exact_share(model, seqs)
        total = sum(int(v.split("/")[0]) for v in share.values())
        print(f"{note} {name} exact {total}/{len(seqs)} {share}", file=log, flush=True)


def worker(rank, args, tok, flat, grads, state, barrier):
    torch.set_num_threads(1)
    model = T.Model(tok.size)
    # The parameters become views of the shared vector.
    at = 0
    for p in model.t.values():
        p.data = flat[at:at + p.numel()].view(p.shape)
        at += p.numel()
    model.flat = flat
    prefix = tok.prompt({"payees": ["a"], "message": ""}).index(tok.ids["user"])  # the system message is the same everywhere
    rng = random.Random(1000 * args.seed + rank)
    order = random.Random(args.seed)
    log = open(os.path.join(args.out, "train.log"), "a") if rank == 0 else None
    if rank == 0:
        m, v = torch.zeros(model.size), torch.zeros(model.size)
        here = os.path.dirname(os.path.abspath(__file__))
        old = [json.loads(line) for line in open(os.path.join(here, "dev-set.jsonl"))][:120]
        held = random.Random(99)
        mail = [M.example(held, "eval") for _ in range(240)]
        if args.narrow:
            old, mail = ([N.narrow(e) for e in one] for one in (old, mail))
        sets = {"old": cases(tok, old), "mail": cases(tok, mail)}
        print(M.BANK.count(), file=log, flush=True)
    barrier.wait()
    start = time.time()
    queue, tokens, examples, step, average, saved, checked = [], 0, 0, 0, None, start, start
    while True:
        if rank == 0:
            now = time.time()
            done = step / args.steps if args.steps else (now - start) / (args.minutes * 60)
            state[0] = 1. if done >= 1 else 0.
            state[1] = 1. if args.steps or now - start < args.solo * 60 else 0.
            state[2] = done
        barrier.wait()
        if state[0]:
            break
        solo, done = bool(state[1]), state[2].item()
        if not solo or rank == 0:
            if not queue:
                if not args.steps and M.BANK.refresh() and rank == 0:
                    print("mails", M.BANK.count(), len(M.BANK.problems), "unusable", file=log, flush=True)
                pool = []
                for _ in range(24 * args.batch):
                    ex = G.example(rng, "train", rng.random() < .15) if rng.random() < args.old_share else M.example(rng, "train")
                    if rng.random() < args.narrow:
                        ex = N.narrow(ex)
                    pool.append((tok.prompt(ex, args.drop, rng), tok.answer(ex)))
                pool.sort(key=lambda s: len(s[0]))
                queue = [pool[i:i + args.batch] for i in range(0, len(pool), args.batch)]
                order.shuffle(queue)
            batch = queue.pop()
            model.grad.zero_()
            total, loss, n = loss_of(model, batch, tok.ids["hold"], prefix)
            total.backward()
            grads[rank].copy_(model.grad)
        barrier.wait()
        if rank == 0:
            step += 1
            with torch.no_grad():
                g = grads[0] if solo else grads.mean(0)
                g *= min(1., 1. / (g.norm().item() + 1e-6))
                lr = args.lr * min(1, step / args.warmup) * .5 * (1 + math.cos(math.pi * min(1, done)))
                m.mul_(.9).add_(g, alpha=.1)
                v.mul_(.98).addcmul_(g, g, value=.02)
                flat.addcmul_(flat, model.decay, value=-lr * args.decay)
                flat.addcdiv_(m / (1 - .9 ** step), (v / (1 - .98 ** step)).sqrt_().add_(1e-8), value=-lr)
            tokens, examples = tokens + n * (1 if solo else 2), examples + len(batch) * (1 if solo else 2)
            average = loss if average is None else .98 * average + .02 * loss
            now = time.time()
            if step % 50 == 0:
                print(f"step {step} loss {average:.4f} total {total.item():.3f} lr {lr:.2e} tokens {tokens} examples {examples} "
                      f"tok/s {tokens / (now - start):.0f} min {(now - start) / 60:.1f}", file=log, flush=True)
            if now - saved > 120:
                saved = now
                model.save(args.out)
            if now - checked > args.check_minutes * 60:
                checked = now
                check(model, sets, log, f"min {(now - start) / 60:.1f}")
        barrier.wait()
    if rank == 0:
        model.save(args.out)
        print(f"end: {step} steps, {tokens} tokens, {examples} examples, {(time.time() - start) / 60:.1f} minutes", file=log, flush=True)
        check(model, sets, log, "end")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--base", required=True, help="the GGUF to start from")
    ap.add_argument("--resume", help="a weights.bin to use instead of the base's weights")
    ap.add_argument("--grow", type=int, default=0, help="whole-word tokens to add to the base's vocabulary (vocabulary.py)")
    ap.add_argument("--minutes", type=float, default=45)
    ap.add_argument("--steps", type=int, default=0, help="steps instead of minutes, in one process: the same command gives the same bytes on the same machine")
    ap.add_argument("--solo", type=float, default=0, help="minutes with one process only")
    ap.add_argument("--batch", type=int, default=10, help="examples per process and step")
    ap.add_argument("--lr", type=float, default=6e-4)
    ap.add_argument("--warmup", type=int, default=100, help="steps")
    ap.add_argument("--decay", type=float, default=.02)
    ap.add_argument("--drop", type=float, default=.06, help="share of known words that are spelled out")
    ap.add_argument("--old-share", type=float, default=.25)
    ap.add_argument("--narrow", type=float, default=0, help="share of the examples that list only the payees their message has a word of (narrow.py)")
    ap.add_argument("--check-minutes", type=float, default=6)
    ap.add_argument("--seed", type=int, default=11)
    ap.add_argument("--out", default="run")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(1)
    meta, weights = gguf.read(args.base)
    pieces = gguf.pieces(meta)
    if args.grow:
        pieces, weights = grow(pieces, weights, args.grow)
    tok = K.Tokenizer(pieces)
    flat = torch.from_file(args.resume, size=len(weights)).clone() if args.resume else torch.from_numpy(weights).clone()
    flat.share_memory_()
    json.dump({"dim": T.DIM, "layers": T.LAYERS, "heads": T.HEADS, "ff": T.FF, "context": T.CONTEXT, "eps": T.EPS, "ropeBase": T.ROPE_BASE, "vocab": tok.size},
              open(os.path.join(args.out, "config.json"), "w"))
    json.dump(tok.export(), open(os.path.join(args.out, "tokenizer.json"), "w"))
    grads, state = torch.zeros(2, len(weights)).share_memory_(), torch.zeros(3, dtype=torch.float64).share_memory_()
    context = mp.get_context("fork")
    barrier = context.Barrier(2)
    jobs = [context.Process(target=worker, args=(i, args, tok, flat, grads, state, barrier)) for i in range(2)]
    for j in jobs:
        j.start()
    for j in jobs:
        j.join()
