"""Small damage to a body, of the kind that finds the mistakes of parsers.

In      a source of chance, a body, pieces that mean something to its parser
Out     the body with one to four changes: bytes, tokens, cuts, copies
Callers the targets of this folder
"""

from __future__ import annotations

import random
from collections.abc import Sequence


def mutate(rng: random.Random, body: bytes, tokens: Sequence[bytes]) -> bytes:
    out = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        stop = min(len(out), at + rng.choice((1, 1, 2, 8, 40)))
        match rng.randrange(6):
            case 0:
                out[at:stop] = bytes(rng.randrange(256) for _ in range(stop - at))
            case 1:
                out[at:at] = rng.choice(tokens)
            case 2:
                out[at:stop] = rng.choice(tokens)
            case 3:
                del out[at:stop]
            case 4:
                other = rng.randrange(len(out) + 1)
                out[other:other] = out[at:stop]
            case 5:
                del out[at:]
    return bytes(out)
