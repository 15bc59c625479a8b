"""More whole-word tokens for a clerk: the words of the mail skeletons that its vocabulary still spells."""
import random
import re
from collections import Counter

import mails as M
import orgs as O
import tokenizer as K

# Words that names are made of stay spelled: a name is copied letter by letter, never guessed.
NAMES = {w.lower() for part in (O.HEADS, O.TAILS, O.FORE, O.SURHEAD, O.SURTAIL, O.SYLL) for w in part}
NAMES |= {w.lower() for entry in O.SECTORS for w in re.findall(r"\w+", entry)}


def extra(pieces, wanted, samples=30000, minimum=8):
    """The most frequent pieces of mail that are in no vocabulary yet, at most as many as wanted; the same for everybody."""
    r, known, count = random.Random(4711), set(pieces), Counter()
    for _ in range(samples):
        message = M.example(r, "train")["message"]
        # Whole words only, and not what stands in the sender line: names.
        count.update(K.PIECES.findall(message.split("\n", 1)[-1]))
    found = [(n, p) for p, n in count.items()
             if n >= minimum and p not in known and re.fullmatch(r" ?[A-Za-z]{2,}", p) and p.strip().lower() not in NAMES]
    # A capital inside a sentence is most often a name, unless the small word is common too.
    common = {p.strip().lower() for _, p in found if p.strip().islower()} | {p.strip().lower() for p in known if p}
    found = [(n, p) for n, p in found if p.strip().islower() or p.strip().lower() in common or p.strip().isupper()]
    return [p for n, p in sorted(found, reverse=True)][:wanted]
