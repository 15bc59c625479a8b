#!/usr/bin/env python3
"""Examples made from the mail skeletons in mails/: excerpts of mail as a mailbox delivers them.

    python3 mails.py --seed 7 --count 400 --split eval --out dev-mail.jsonl

A skeleton file is NAME-bill.txt, NAME-notbill.txt or NAME-unclear.txt: blocks between lines "----", alternatives {a|b|c},
slots {{PAYEE}} {{OTHER}} {{NAME}} {{AMT}} {{AMT2}} {{AMT3}} {{REF}} {{REF2}} {{DATE}} {{DATE2}} {{N}} {{THING}} {{PHONE}} {{MAIL}}.
One block in ten (by hash of its text) is held out: split "eval" uses only those, "train" only the others.
"""
import argparse
import glob
import json
import os
import random
import re
import string
import sys
import zlib

import generate as G
import orgs as O

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_MESSAGE, MAX_USER = 480, 640
SLOT = re.compile(r"\{\{([A-Z]+\d?)\}\}")
MARK = re.compile("\x01([A-Z]+\\d?)\x02")
KNOWN = set("PAYEE OTHER NAME AMT AMT2 AMT3 REF REF2 DATE DATE2 N N2 THING THING2 PHONE MAIL OTHER2 NAME2 REF3 DATE3".split())
THINGS = """hosting|cloud storage|web hosting|laptop repair|office chairs|standing desks|printer paper|toner cartridges|domain renewal|design work|logo design|website maintenance
security audit|legal advice|consulting hours|translation work|copy editing|catering|team lunch|coffee beans|coffee delivery|fresh flowers|office cleaning|window cleaning|boiler repair
plumbing work|painting work|roof repairs|garden maintenance|spare parts|winter tyres|diesel|air freight|customs clearance|cardboard boxes|shipping labels|liability insurance|office rent
parking spaces|storage space|electricity|water supply|gas supply|internet access|mobile contracts|software licences|premium support|server maintenance|compute time|API usage|market data
node operation|bandwidth|backup service|test devices|sensors|network cables|batteries|LED lamps|power tools|steel brackets|timber|floor tiles|glass panels|work clothes|safety shoes
furniture|carpet cleaning|photo shoot|product video|animation|background music|train tickets|flight booking|hotel rooms|venue hire|conference tickets|booth rental|staff training
language course|trade magazines|newspaper ads|search ads|newsletter service|printing|flyers|posters|stickers|business cards|postage|bread delivery|fruit baskets|milk|wine|tea
snacks for the kitchen|drinking water|plants|recruiting services|payroll service|bookkeeping|tax advice|notary fees|patent filing|trademark filing|lift inspection|lab tests|calibration
waste collection|recycling|night guard|alarm system|new locks|heating oil|solar panels|bike repair|van hire|car rental|taxi rides|user research|usability tests|podcast editing
subtitles|illustrations|icon set|font licence|3D prints|circuit boards|keynote talk|workshop facilitation|code review|data labelling|penetration test|membership|yearly subscription
first aid course|coworking desks|meeting room hire|monitor stands|keyboards|headsets|whiteboards|archive boxes|document shredding|pest control|fire extinguishers|air filters|snow clearing"""
THINGS = [t.strip() for line in THINGS.split("\n") for t in line.split("|")]
KIND = {"bill": "bill", "notbill": "not-a-bill", "unclear": "unclear"}


class Bank:
    def __init__(self, folder=os.path.join(HERE, "mails")):
        self.folder, self.seen, self.blocks, self.problems = folder, None, {}, []
        self.refresh()

    def refresh(self):
        """Reads the folder again when it has changed."""
        files = sorted(glob.glob(os.path.join(self.folder, "*.txt")))
        stamp = [(f, os.path.getmtime(f), os.path.getsize(f)) for f in files]
        if stamp == self.seen:
            return False
        self.seen, self.problems = stamp, []
        blocks = {(k, s): [] for k in KIND.values() for s in ("train", "eval")}
        for file in files:
            kind = KIND.get(os.path.basename(file)[:-4].split("-")[-1])
            if not kind:
                self.problems.append(f"{os.path.basename(file)}: unknown kind")
                continue
            for n, text in enumerate(re.split(r"^-{4,}[ \t]*$", open(file, encoding="utf-8").read(), flags=re.M)):
                text = text.strip()
                if not text or all(line.startswith("#!") for line in text.split("\n")):
                    continue
                slots = set(SLOT.findall(text))
                why = f"slots {slots - KNOWN}" if slots - KNOWN else None
                if kind == "bill" and not {"PAYEE", "AMT"} <= slots:
                    why = "a bill without payee or amount"
                try:
                    parsed = parse(SLOT.sub("\x01\\1\x02", text))
                except (AssertionError, IndexError):
                    why = "braces do not match"
                if why:
                    self.problems.append(f"{os.path.basename(file)} block {n + 1}: {why}: {text[:60]!r}")
                    continue
                split = "eval" if zlib.crc32(re.sub(r"\s+", " ", text).encode()) % 10 == 0 else "train"
                blocks[kind, split].append((parsed, text))
        self.blocks = blocks
        return True

    def count(self):
        return {f"{k} {s}": len(v) for (k, s), v in self.blocks.items()}


def parse(text):
    """Like generate.parse, but "|" outside braces is plain text."""
    def sequence(i, inside):
        parts, buf = [], ""
        while i < len(text) and not (inside and text[i] in "|}"):
            if text[i] == "{":
                if buf:
                    parts.append(buf)
                    buf = ""
                options = []
                while True:
                    seq, i = sequence(i + 1, True)
                    options.append(seq)
                    if text[i] == "}":
                        break
                parts.append(options)
                i += 1
            else:
                assert text[i] != "}"
                buf += text[i]
                i += 1
        if buf:
            parts.append(buf)
        return parts, i

    parts, end = sequence(0, False)
    assert end == len(text)
    return parts


BANK = Bank()


# ---------------------------------------------------------------- slots
def amount(r, token=None, style=None):
    """(text, number, token): amounts as invoices write them."""
    token = token or r.choices(["USDC", "DAI", "ETH"], [6, 2, 2])[0]
    if token == "ETH":
        num = r.choice([lambda: f"0.{r.randint(1, 99):02d}", lambda: f"0.{r.randint(1, 999):03d}", lambda: f"{r.randint(1, 9)}.{r.randint(1, 99)}",
                        lambda: str(r.randint(1, 12)), lambda: f"{r.randint(0, 3)}.{r.randint(1, 9)}", lambda: f"0.{r.randint(1, 9999):04d}"])()
    else:
        big = lambda lo, hi: r.randint(lo, hi)
        num = r.choice([lambda: str(big(5, 999)), lambda: str(big(1, 99) * 10), lambda: f"{big(5, 999)}.{big(0, 99):02d}", lambda: f"{big(5, 999)}.{big(0, 99):02d}",
                        lambda: f"{big(1, 99) * 10}.00", lambda: f"{big(1000, 9999):,}.{big(0, 99):02d}", lambda: f"{big(1000, 19999):,}", lambda: str(big(1000, 9999)),
                        lambda: f"{big(10, 200) * 100:,}", lambda: f"{big(1000, 9999)}.{big(0, 99):02d}", lambda: f"{big(10000, 99999):,}.{big(0, 99):02d}",
                        lambda: f"{big(1, 9)}.{big(0, 99):02d}"])()
    style = style if style is not None else r.random()
    if token == "USDC":
        text = (f"${num}" if style < .36 else f"{num} USDC" if style < .64 else f"{num} USD" if style < .76 else f"USD {num}" if style < .86
                else f"USDC {num}" if style < .91 else f"{num} dollars" if style < .95 else f"$ {num}" if style < .97 else f"US${num}" if style < .985 else f"{num} usdc")
    else:
        text = f"{num} {token}" if style < .86 else f"{token} {num}" if style < .95 else f"{num} {token.lower()}" if style < .98 else f"{num}{token}"
    return text, num.replace(",", ""), token


def phone(r):
    return G.phone(r)


def date(r):
    d, m, y = r.randint(1, 28), r.randrange(12), r.randint(24, 29)
    return r.choice([lambda: G.date(r), lambda: f"{d} {G.MONTHS[m]} 20{y}", lambda: f"{G.MONTHS[m]} {d}, 20{y}", lambda: f"{r.choice(G.DAYS)} {d} {G.MONTHS[m]}",
                     lambda: f"{d:02d}/{m + 1:02d}/20{y}", lambda: f"{G.MONTHS[m][:3]} {d}", lambda: f"{d}.{m + 1}."])()


def reference(r, glue=""):
    digits, up = lambda a, b: G.digits(r, a, b), lambda n: "".join(r.choice(string.ascii_uppercase) for _ in range(n))
    if glue == "#":
        return "#" + r.choice([lambda: digits(2, 6), lambda: digits(3, 5), lambda: f"{up(2)}-{digits(3, 5)}", lambda: f"{up(1)}{digits(3, 5)}"])()
    if glue == "PO":
        return r.choice(["PO ", "PO-"]) + digits(3, 6)
    return r.choice([lambda: G.reference(r), lambda: G.reference(r), lambda: f"20{r.randint(23, 29)}-{r.randint(1, 12):02d}-{digits(3, 4)}",
                     lambda: f"{up(r.randint(2, 3))}-20{r.randint(23, 29)}-{digits(3, 5)}", lambda: f"INV-20{r.randint(23, 29)}-{digits(2, 5)}",
                     lambda: f"R{digits(5, 8)}", lambda: f"{up(3)}/{digits(2, 2)}/{digits(3, 4)}", lambda: digits(6, 10), lambda: f"{digits(4, 5)}-{r.choice('ABCDX')}"])()


def address(r, o):
    """A mail address that belongs to an organisation."""
    box = r.choice("billing accounts invoices info office pay finance hello support ar".split())
    k = r.random()
    core = O.slugify(o.name if len(o.name) < 24 and k < .6 else o.core)
    dom = core if k < .35 else core.replace("-", "")
    return f"{box}@{dom or 'mail'}.{r.choice(O.ROOTS)}"


# ---------------------------------------------------------------- examples
def example(r, split="train", kind=None, block=None):
    while True:
        ex = build(r, split, kind, block)
        if ex and len(G.user_text(ex)) <= MAX_USER:
            return ex


def payee_list(r, split):
    out, size = [], r.choices(range(2, 9), [4, 5, 5, 4, 2, 1, 1])[0]
    while len(out) < size:
        k = r.random()
        o = O.near(r.choice(out), r, split) if out and k < .14 else O.org(r, split)
        if k > .93 and r.random() < .6:  # odd ids, as the old generator makes them
            name = G.make_names(r, 1, split)[0]
            o = O.Org(G.display(name, r), name, name)
        if 2 <= len(o.slug) <= 26 and all(o.slug != x.slug for x in out):
            out.append(o)
    return out


def build(r, split, kind=None, block=None):
    kind = kind or r.choices(["transfer", "unknown-payee", "not-a-bill", "unclear"], [40, 21, 24, 15])[0]
    source = "bill" if kind in ("transfer", "unknown-payee") else kind
    choices = BANK.blocks[source, split]
    if not choices and block is None:
        return None
    text = G.expand((block or r.choice(choices))[0], r)
    listed_orgs = payee_list(r, split)
    payees = [o.slug for o in listed_orgs]
    k = r.random()
    if kind == "transfer" or kind == "unclear" or (kind == "not-a-bill" and k < .6):
        target = r.choice(listed_orgs)
        # No other entry may fit the name as well.
        if any(o is not target and O.matches(o.slug, target.name) for o in listed_orgs):
            return None
    else:
        target = O.near(r.choice(listed_orgs), r, split) if r.random() < .4 else O.org(r, split)
        if any(O.matches(s, target.name) or s == target.slug for s in payees):
            return None

    # Other organisations named in the mail: sometimes listed ones.
    def other():
        while True:
            o = r.choice(listed_orgs) if r.random() < .35 else O.org(r, split)
            if target is None or o.name != target.name and o.slug != target.slug:
                return o
    if len(payees) == 1 and kind != "unknown-payee":
        other = lambda: O.org(r, split)

    def someone():
        while True:
            p = O.person(r, split)
            if not any(O.matches(s, p) for s in payees):
                return p

    # ---- the sender line
    sender = text.startswith("From:")
    has = lambda part: {m for m in MARK.findall(part)}
    needed = has(text) & {"PAYEE", "AMT", "REF"} if kind != "not-a-bill" else set()
    if sender and r.random() < .42 and "\n" in text:
        rest = text.split("\n", 1)[1]
        if needed <= has(rest):
            text, sender = rest, False
    elif not sender and r.random() < .35:
        k = r.random()
        if kind == "unclear" or k < .35:
            who = someone() if r.random() < .75 else r.choice(O.ROLES)
        elif kind == "not-a-bill" and k < .6:
            who = "\x01OTHER\x02"
        elif source == "bill" and "PAYEE" not in has(text) or k < .8:
            who = "\x01PAYEE\x02" + r.choice(["", "", " " + r.choice(O.DEPARTMENTS)])
        else:
            who = someone()
        text, sender = f"From: {who}\n{text}", True
    if kind == "unclear" and "PAYEE" not in has(text):
        target = None

    # ---- the subject line
    lines = text.split("\n")
    at = 1 if sender else 0
    if len(lines) > at and lines[at].startswith("Subject:"):
        rest = "\n".join(lines[:at] + lines[at + 1:])
        k = r.random()
        if k < .12 and source == "bill" and needed <= has(rest) and len(rest) > 120:
            del lines[at]
        elif k < .72:
            lines[at] = lines[at][len("Subject:"):].strip()
        if len(lines) > at and r.random() < .03:
            lines[at] = lines[at].upper() if not MARK.search(lines[at]) else lines[at]
    k = r.random()
    head, body = lines[:at + 1], [x for x in lines[at + 1:] if x.strip()]
    if k < .45:
        body = [" ".join(x.strip() for x in body)]
    elif k < .5:
        head, body = [" ".join(x.strip() for x in head + body)] if not sender else [head[0], " ".join(x.strip() for x in head[1:] + body)], []
    text = "\n".join([x for x in head + body if x])

    # ---- the slots
    glue = ""
    if re.search("#\\s?\x01REF\x02", text):
        glue, text = "#", re.sub("#\\s?\x01REF\x02", "\x01REF\x02", text)
    elif re.search("\\bPO[ -]?\x01REF\x02", text):
        glue, text = "PO", re.sub("\\bPO[ -]?\x01REF\x02", "\x01REF\x02", text)
    text = re.sub("\\b(?:INV|Inv)[-/]?(?=\x01REF2?\x02)", "", text)
    text = re.sub("(?:US)?\\$ ?(?=\x01AMT)|(?<=\x02) ?\\b(?:USDC|USD|dollars|DAI|ETH)\\b", "", text)
    first, style = amount(r), r.random()
    first = amount(r, first[2], style)
    others, used = {}, {float(first[1])}
    for slot in ("AMT2", "AMT3"):
        while True:
            token = first[2] if r.random() < .98 or kind == "unclear" else None
            a = amount(r, token, style if r.random() < .95 else None)
            if float(a[1]) not in used:
                used.add(float(a[1]))
                others[slot] = a
                break
    same = [first] + [a for a in others.values() if a[2] == first[2]]
    if source == "bill" and r.random() < .5:  # the amount to pay is often, not always, the largest
        top = max(same, key=lambda a: float(a[1]))
        for slot in others:
            if others[slot] is top:
                others[slot], first = first, top
    ref = reference(r, glue)
    clash = target or O.org(r, split)
    values = {}

    def value(slot):
        if slot not in values:
            values[slot] = {
                "PAYEE": lambda: clash.name, "OTHER": lambda: other().name, "OTHER2": lambda: other().name, "NAME": someone, "NAME2": someone,
                "AMT": lambda: first[0], "AMT2": lambda: others["AMT2"][0], "AMT3": lambda: others["AMT3"][0], "REF": lambda: ref,
                "REF2": lambda: reference(r), "REF3": lambda: reference(r), "DATE": lambda: date(r), "DATE2": lambda: date(r), "DATE3": lambda: date(r),
                "N": lambda: str(r.choice([r.randint(2, 30), r.randint(2, 14), r.randint(2, 99)])), "N2": lambda: str(r.randint(2, 60)),
                "THING": lambda: r.choice(THINGS), "THING2": lambda: r.choice(THINGS), "PHONE": lambda: phone(r),
                "MAIL": lambda: address(r, clash if r.random() < .8 else O.org(r, split)),
            }[slot]()
        return values[slot]

    # The sender line may be a bare address, or the name in another case.
    if sender and "\x01PAYEE\x02" in text.split("\n", 1)[0] and text.count("\x01PAYEE\x02") > 1 and r.random() < .05 and "\n" in text:
        text = f"From: {address(r, clash)}\n" + text.split("\n", 1)[1]
    out, last = [], 0
    for m in MARK.finditer(text):
        out.append(text[last:m.start()])
        v = value(m[1])
        before = "".join(out)[-3:]
        if m[1].startswith("THING") and (not before or before.endswith("\n") or re.search(r"[.!?:] $", before) and (before[-2] != ":" or r.random() < .3)):
            v = v[:1].upper() + v[1:]
        out.append(v)
        last = m.end()
    out.append(text[last:])
    text = re.sub(r"[ \t]+", " ", "".join(out)).strip()
    text = re.sub(r" +\n", "\n", text)
    if len(text) > MAX_MESSAGE:
        cut = text.rfind(" ", 0, MAX_MESSAGE - r.choice([0, 0, 5, 60]))
        short = text[:cut]
        must = [values[s] for s in ("PAYEE", "AMT", "REF") if s in values] + ([values["AMT2"]] if kind == "unclear" and "AMT2" in values else [])
        if kind != "not-a-bill" and any(v not in short for v in must):
            return None
        text = short + r.choice(["", "…", " …", "..."])
    if r.random() < .03:
        keep = set(values.get(s) for s in ("REF",))
        text = text if "REF" in values else text.lower()

    if source == "bill" and ("AMT" not in values or "PAYEE" not in values and clash.name not in text and "@" not in text):
        return None
    if kind == "transfer":
        action = {"action": "transfer", "to": target.slug, "amount": first[1], "token": first[2], "reference": ref if "REF" in values else ""}
        # The reference is ambiguous when a second one contains it.
        if "REF" in values and any(s in values and values["REF"] in values[s] for s in ("REF2", "REF3", "PHONE")):
            return None
    else:
        action = {"action": "hold", "reason": kind}
        if kind == "unknown-payee" and any(O.matches(s, clash.name) for s in payees):
            return None
    r.shuffle(payees)
    return {"payees": payees, "message": text, "expected": json.dumps(action, separators=(",", ":"), ensure_ascii=False)}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--count", type=int, default=400)
    ap.add_argument("--split", choices=["train", "eval"], default="eval")
    ap.add_argument("--out")
    ap.add_argument("--check", action="store_true", help="report the skeletons that cannot be used")
    args = ap.parse_args()
    print(BANK.count(), *BANK.problems, sep="\n", file=sys.stderr)
    if args.check:
        return
    r = random.Random(args.seed)
    with open(args.out, "w") if args.out else sys.stdout as f:
        for _ in range(args.count):
            f.write(json.dumps(example(r, args.split), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
