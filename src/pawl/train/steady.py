"""What a training asks of its process.

Between steps a process would compile its products anew, and look through all of the model's objects
for garbage: together a tenth of a small base's step on CPU. Where memory is scarce, it is asked to
hold no more than tensors take.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

# A product of another shape is compiled anew. These keep half a megabyte each: few more than a step
# has, as packs are of even sizes. What torch's layer above oneDNN keeps is larger, and of no use.
COMPILED = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "96", "LRU_CACHE_CAPACITY": "8"}
# mallopt(3): the size from which a block is mapped on its own, and given back when it is freed, and
# the free memory at the heap's top that is given back. As it comes malloc raises both, and its heap
# is full of holes: few tensors of another size fit in what one has left.
MAP, TRIM = (-3, 1 << 16), (-1, 1 << 17)


@contextmanager
def steady() -> Iterator[None]:
    """Within this, the process keeps compiled products, also afterwards, and spares the garbage
    collector what is there already."""
    for name, value in COMPILED.items():
        # Read at the first product, so that a process which has taken one before keeps its own.
        os.environ.setdefault(name, value)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def give_back() -> None:
    """Have malloc give back what tensors leave, from now on: before a base is loaded, because
    memory that the heap has had once is filled again before a block is mapped."""
    _malloc("mallopt", *MAP)
    _malloc("mallopt", *TRIM)


def let_go() -> None:
    """Give back what nobody uses now, as it is after a base was loaded."""
    _malloc("malloc_trim", 0)


def _malloc(name: str, *values: int) -> None:
    # Where the C library is not GNU's, it has no such call, or ignores it.
    call = getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
    if call:
        call(*values)
