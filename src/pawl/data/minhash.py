"""MinHash signatures of many shingled texts at once, and the pairs worth comparing.

Broder 1997; multiply-shift hashing by Dietzfelbinger et al. 1997. The same on every machine: no
hash depends on Python's own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pawl.data.copies import PERMUTATIONS, bands
from pawl.data.frames import Shingles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# In a bucket of thousands, as a template of its own makes, each row meets so many before it.
MET = 30
# By so many standard deviations may a signature underrate a pair that is near enough.
DEVIATIONS = 4


def signatures(texts: Sequence[Shingles]) -> NDArray[np.uint32]:
    """One row of PERMUTATIONS hash values a text; no text may be empty."""
    import numpy as np

    number: dict[str, int] = {}
    ids = [[number.setdefault(s, len(number)) for s in shingles] for shingles in texts]
    draw = np.random.RandomState(1)
    factors, terms = (
        draw.randint(2**63, size=PERMUTATIONS, dtype=np.uint64) * 2 + 1 for _ in range(2)
    )
    values = np.array([zlib.crc32(shingle.encode()) for shingle in number], np.uint64)
    hashes = ((values[:, None] * factors + terms) >> np.uint64(32)).astype(np.uint32)
    return np.array([hashes[found].min(axis=0) for found in ids])


def worth_comparing(found: NDArray[np.uint32], *, near: float) -> Iterator[tuple[int, int]]:
    """Pairs (later, earlier) of texts whose signatures look as if they were at `near`, each once.

    All but `copies.MISSED` of the pairs at `near` are among them, but for buckets above MET.
    """
    import numpy as np

    count, width = bands(near)
    least = PERMUTATIONS * near - DEVIATIONS * (PERMUTATIONS * near * (1 - near)) ** 0.5
    pairs = []
    for band in range(count):
        _, bucket = np.unique(
            found[:, band * width : (band + 1) * width], axis=0, return_inverse=True
        )
        order = np.argsort(bucket, kind="stable")
        for step in range(1, MET + 1):
            same = bucket[order[step:]] == bucket[order[:-step]]
            if not same.any():
                break
            later, earlier = order[step:][same], order[:-step][same]
            alike = (found[later] == found[earlier]).sum(axis=1) >= least
            pairs.append(np.stack([later[alike], earlier[alike]]))
    if pairs:
        yield from map(tuple, np.unique(np.concatenate(pairs, axis=1), axis=1).T.tolist())
