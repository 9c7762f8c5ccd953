"""What a training asks of its process: to keep what one step gives back and the next asks for.

Between steps a process would hand its memory to the system and take it again page by page, compile
its products anew, and look through all of the model's objects for garbage: together a tenth of a
small base's step on CPU.
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
# mallopt(3): the free memory at the heap's top that is given back, and the size from which a block
# is mapped on its own, and given back when it is freed (not every glibc takes a larger size).
TRIM, MAP = (-1, 1 << 30), (-3, 32 << 20)


@contextmanager
def steady() -> Iterator[None]:
    """Within this, the process keeps memory and compiled products, and spares the garbage collector
    what is there already; the first two stay so."""
    for name, value in COMPILED.items():
        # Read at the first product, so that a process which has taken one before keeps its own.
        os.environ.setdefault(name, value)
    # Where the C library is not GNU's, it has no such call, or ignores it.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(*MAP)
        mallopt(*TRIM)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
