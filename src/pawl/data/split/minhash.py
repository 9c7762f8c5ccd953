"""Candidate pairs of similar texts: MinHash signatures with LSH banding.

Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman and Ullman,
"Mining of massive datasets", 3.4; hashing by multiplication and shift, Dietzfelbinger et al. 1997.
Reproducible across machines: no hash depends on Python's own.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from pawl.data.split.boilerplate import Shingles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERMUTATIONS = 128
# The accepted miss rate for pairs exactly at the threshold.
MISS_RATE = 0.001
# In a bucket of thousands, as a template produces, each row is compared with so many before it.
MAX_NEIGHBOURS = 30
# Standard deviations by which a signature may underestimate the similarity of a pair.
DEVIATIONS = 4


class MinHashIndex:
    """LSH index over texts; a query returns those that may be similar."""

    def __init__(self, texts: Sequence[Shingles], *, near: float) -> None:
        self._bands = _band_slices(near)
        self._buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        for number, signature in enumerate(signatures(texts)):
            for bucket in self._buckets_of(signature):
                self._buckets[bucket].append(number)

    def query(self, text: Shingles) -> list[int]:
        """Return the indices of the candidate texts, ascending."""
        (signature,) = signatures([text])
        hits = (self._buckets.get(bucket, ()) for bucket in self._buckets_of(signature))
        return sorted({number for numbers in hits for number in numbers})

    def _buckets_of(self, signature: NDArray[np.uint32]) -> Iterator[tuple[int, bytes]]:
        for part in self._bands:
            yield part.start, signature[part].tobytes()


def signatures(texts: Sequence[Shingles]) -> NDArray[np.uint32]:
    """Return the MinHash signatures, (texts, PERMUTATIONS)."""
    import numpy as np

    number: dict[str, int] = {}
    ids = [[number.setdefault(s, len(number)) for s in shingles] for shingles in texts]
    factors, terms = _hash_coefficients()
    values = np.array([zlib.crc32(shingle.encode()) for shingle in number], np.uint64)
    hashes = ((values[:, None] * factors + terms) >> np.uint64(32)).astype(np.uint32)
    highest = np.iinfo(np.uint32).max
    minima = [hashes[np.array(found, int)].min(axis=0, initial=highest) for found in ids]
    return np.array(minima, np.uint32).reshape(-1, PERMUTATIONS)


@cache
def _hash_coefficients() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    import numpy as np

    draw = np.random.RandomState(1)
    odd = draw.randint(2**63, size=(2, PERMUTATIONS), dtype=np.uint64) * 2 + 1
    return odd[0], odd[1]


def candidate_pairs(signatures: NDArray[np.uint32], *, near: float) -> Iterator[tuple[int, int]]:
    """Yield pairs (later, earlier) of texts whose estimated similarity is about `near`, each once.

    All but MISS_RATE of the pairs at `near` are included, except in buckets above MAX_NEIGHBOURS.
    """
    import numpy as np

    least = PERMUTATIONS * near - DEVIATIONS * (PERMUTATIONS * near * (1 - near)) ** 0.5
    pairs = []
    for part in _band_slices(near):
        _, bucket = np.unique(signatures[:, part], axis=0, return_inverse=True)
        order = np.argsort(bucket, kind="stable")
        for step in range(1, MAX_NEIGHBOURS + 1):
            same = bucket[order[step:]] == bucket[order[:-step]]
            if not same.any():
                break
            later, earlier = order[step:][same], order[:-step][same]
            similar = (signatures[later] == signatures[earlier]).sum(axis=1) >= least
            pairs.append(np.stack([later[similar], earlier[similar]]))
    if pairs:
        yield from map(tuple, np.unique(np.concatenate(pairs, axis=1), axis=1).T.tolist())


def bands(near: float) -> tuple[int, int]:
    """Return (bands, rows per band) with a miss rate of at most MISS_RATE for pairs at `near`.

    The more rows a band has, the fewer candidates. Below 0.06 the miss rate is somewhat higher.
    """
    for rows in range(PERMUTATIONS // 2, 1, -1):
        if (1 - near**rows) ** (PERMUTATIONS // rows) <= MISS_RATE:
            return PERMUTATIONS // rows, rows
    return PERMUTATIONS, 1


def _band_slices(near: float) -> list[slice]:
    count, width = bands(near)
    return [slice(band * width, (band + 1) * width) for band in range(count)]
