"""The payees that a message has a word of: what `couldMeanPayee` in src/policy/occurrences.ts says of a name, and what the
treasurer's prompt lists (all of them when there is none)."""
import re
import unicodedata

SHORTEST = 3  # letters


def fold(text):
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.category(c).startswith("M")).lower()


def words(text):
    return [w for w in re.split(r"[\W_]+", fold(text)) if w]


def could_mean(text, name):
    parts = words(name)
    if {w for w in parts if len(w) >= SHORTEST} & set(words(text)):
        return True
    return bool(parts) and re.search(r"(?<![^\W_])" + r"[\W_]*".join(map(re.escape, parts)) + r"(?![^\W_])", fold(text)) is not None


def narrow(example):
    meant = [p for p in example["payees"] if could_mean(example["message"], p)]
    return {**example, "payees": meant} if meant else example
