"""Garbage collection and malloc of a training's process."""

from __future__ import annotations

import ctypes
import gc
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.train.process_settings import MAP, training_settings
from pawl.train.qlora import prepared

HELD = Path("/proc/self/smaps_rollup")
TINY = Path(__file__).parents[2] / "base" / "tiny"


def failing_training() -> None:
    """Raise within the settings."""
    with training_settings():
        assert gc.get_freeze_count()
        raise RuntimeError


def test_objects_are_exempt_from_collection_until_training_ends_or_fails() -> None:
    with pytest.raises(RuntimeError):
        failing_training()
    assert not gc.get_freeze_count()


def held_memory() -> list[int]:
    """MiB that the process holds of 64 tensors of one MiB, before and after half are freed."""
    # The largest threshold that malloc itself sets: smaller blocks come from its heap.
    ctypes.CDLL(None).mallopt(MAP[0], 32 << 20)
    model = prepared(TINY, Train(rank=1), Choices(gives_back=True))
    baseline = resident()
    held = [torch.ones(1 << 18) for _ in range(64)]
    full = resident() - baseline
    del held[::2]
    left = resident() - baseline
    del model
    return [full, left]


def resident() -> int:
    """MiB of memory that this process holds."""
    (line,) = (
        line for line in HELD.read_text(encoding="ascii").splitlines() if line.startswith("Rss:")
    )
    return int(line.split()[1]) >> 10


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not HELD.exists(),
    reason="only glibc's malloc has these settings",
)
@pytest.mark.usefixtures("base_folder")
def test_freed_tensors_between_others_are_returned_if_that_is_chosen() -> None:
    # In a process of its own: malloc's settings persist.
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    script += "from test_process_settings import held_memory; print(*held_memory())"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    full, left = map(int, result.stdout.split())
    assert full >= 62
    assert left <= 36
