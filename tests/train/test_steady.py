"""What a process keeps while it trains."""

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
from pawl.train.choices import Choices
from pawl.train.qlora import prepared
from pawl.train.steady import MAP, steady

HELD = Path("/proc/self/smaps_rollup")
TINY = Path(__file__).parents[2] / "base" / "tiny"


def fails() -> None:
    """Training that comes to nothing."""
    with steady():
        assert gc.get_freeze_count()
        raise RuntimeError


def test_the_collector_is_spared_what_is_there_and_gets_it_back_whatever_happens() -> None:
    with pytest.raises(RuntimeError):
        fails()
    assert not gc.get_freeze_count()


def left_behind() -> list[int]:
    """MiB that the process holds of 64 tensors of one MiB, of which every second has gone."""
    # As far as malloc itself goes, once larger blocks have been freed: smaller ones from its heap.
    ctypes.CDLL(None).mallopt(MAP[0], 32 << 20)
    model = prepared(TINY, Train(rank=1), Choices(gives_back=True))
    before = resident()
    held = [torch.ones(1 << 18) for _ in range(64)]
    full = resident() - before
    del held[::2]
    left = resident() - before
    del model
    return [full, left]


def resident() -> int:
    """MiB of memory that this process holds."""
    (line,) = (
        line for line in HELD.read_text(encoding="ascii").splitlines() if line.startswith("Rss:")
    )
    return int(line.split()[1]) >> 10


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not HELD.exists(), reason="glibc's malloc alone is told"
)
@pytest.mark.usefixtures("base_folder")
def test_what_tensors_leave_between_others_is_given_back_where_that_is_chosen() -> None:
    # In a process of its own: what malloc has been told stays so.
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    script += "from test_steady import left_behind; print(*left_behind())"
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    full, left = map(int, said.stdout.split())
    assert full >= 62
    assert left <= 36
