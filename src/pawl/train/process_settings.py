"""Settings of a training's process: oneDNN's caches, the garbage collector, malloc.

By default a process would compile its products anew between steps, and scan all of the model's
objects for garbage: together a tenth of a small base's step on CPU. If memory is scarce, malloc is
set to return freed memory at once.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

# A product of a new shape is compiled anew. A cached one takes half a megabyte, and a step has
# fewer than 96, as packs have even sizes. Entries of torch's own cache are larger, and of no use.
CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "96", "LRU_CACHE_CAPACITY": "8"}
# mallopt(3): the size from which a block has a mapping of its own, which is unmapped when freed,
# and the free memory at the heap's top that is returned. By default malloc raises both, and its
# heap fragments: few tensors of another size fit in the gaps.
MAP, TRIM = (-3, 1 << 16), (-1, 1 << 17)


@contextmanager
def training_settings() -> Iterator[None]:
    """Within this, existing objects are exempt from garbage collection.

    Compiled products are cached, also afterwards.
    """
    for name, value in CACHES.items():
        # oneDNN reads this at its first product: a process that has computed one is not affected.
        os.environ.setdefault(name, value)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def return_freed_memory() -> None:
    """Have malloc return freed memory from now on.

    Call before a base is loaded: malloc reuses memory that the heap already has before it maps.
    """
    _malloc("mallopt", *MAP)
    _malloc("mallopt", *TRIM)


def trim_heap() -> None:
    """Return memory that is free now, as there is after a base was loaded."""
    _malloc("malloc_trim", 0)


def _malloc(name: str, *values: int) -> None:
    # C libraries other than GNU's lack this call, or ignore it.
    call = getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
    if call:
        call(*values)
