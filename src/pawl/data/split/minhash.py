"""Which of many shingled texts are worth comparing: MinHash and banding.

Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman and Ullman,
"Mining of massive datasets", 3.4; hashing by multiplication and shift, Dietzfelbinger et al. 1997.
The same on every machine: no hash depends on Python's own.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from pawl.data.split.frames import Shingles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERMUTATIONS = 128
# At most this share of the pairs that are just near enough is never compared.
MISSED = 0.001
# In a bucket of thousands, as a template of its own makes, each row meets so many before it.
MET = 30
# By so many standard deviations may a signature underrate a pair that is near enough.
DEVIATIONS = 4


class Index:
    """Texts that can be asked which of them look near to another one."""

    def __init__(self, texts: Sequence[Shingles], *, near: float) -> None:
        self._bands = _parts(near)
        self._buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        for number, signature in enumerate(signatures(texts)):
            for bucket in self._of(signature):
                self._buckets[bucket].append(number)

    def query(self, text: Shingles) -> list[int]:
        """The numbers of the texts worth comparing, in order."""
        (signature,) = signatures([text])
        asked = (self._buckets.get(bucket, ()) for bucket in self._of(signature))
        return sorted({number for numbers in asked for number in numbers})

    def _of(self, signature: NDArray[np.uint32]) -> Iterator[tuple[int, bytes]]:
        for part in self._bands:
            yield part.start, signature[part].tobytes()


def signatures(texts: Sequence[Shingles]) -> NDArray[np.uint32]:
    """One row of PERMUTATIONS hash values a text."""
    import numpy as np

    number: dict[str, int] = {}
    ids = [[number.setdefault(s, len(number)) for s in shingles] for shingles in texts]
    factors, terms = _hashing()
    values = np.array([zlib.crc32(shingle.encode()) for shingle in number], np.uint64)
    hashes = ((values[:, None] * factors + terms) >> np.uint64(32)).astype(np.uint32)
    highest = np.iinfo(np.uint32).max
    least = [hashes[np.array(found, int)].min(axis=0, initial=highest) for found in ids]
    return np.array(least, np.uint32).reshape(-1, PERMUTATIONS)


@cache
def _hashing() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    import numpy as np

    draw = np.random.RandomState(1)
    odd = draw.randint(2**63, size=(2, PERMUTATIONS), dtype=np.uint64) * 2 + 1
    return odd[0], odd[1]


def worth_comparing(found: NDArray[np.uint32], *, near: float) -> Iterator[tuple[int, int]]:
    """Pairs (later, earlier) of texts whose signatures look as if they were at `near`, each once.

    All but `MISSED` of the pairs at `near` are among them, but for buckets above MET.
    """
    import numpy as np

    least = PERMUTATIONS * near - DEVIATIONS * (PERMUTATIONS * near * (1 - near)) ** 0.5
    pairs = []
    for part in _parts(near):
        _, bucket = np.unique(found[:, part], axis=0, return_inverse=True)
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


def bands(near: float) -> tuple[int, int]:
    """How many bands of how many hash values find all but MISSED of the pairs at `near`.

    The more values a band has, the fewer pairs need comparing. Below 0.06 somewhat more are missed.
    """
    for rows in range(PERMUTATIONS // 2, 1, -1):
        if (1 - near**rows) ** (PERMUTATIONS // rows) <= MISSED:
            return PERMUTATIONS // rows, rows
    return PERMUTATIONS, 1


def _parts(near: float) -> list[slice]:
    count, width = bands(near)
    return [slice(band * width, (band + 1) * width) for band in range(count)]
