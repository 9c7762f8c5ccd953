"""What a process keeps while it trains."""

from __future__ import annotations

import gc
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pawl.train.steady import steady


def fails() -> None:
    """Training that comes to nothing."""
    with steady():
        assert gc.get_freeze_count()
        raise RuntimeError


def test_the_collector_is_spared_what_is_there_and_gets_it_back_whatever_happens() -> None:
    with pytest.raises(RuntimeError):
        fails()
    assert not gc.get_freeze_count()


def fresh_pages() -> int:
    """Pages that steps ask the system for once the first of them have been taken."""
    before = 0
    for step in range(30):
        if step == 5:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        held = [torch.ones(1 << 20) for _ in range(20)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone can be told")
def test_a_step_takes_the_memory_that_the_step_before_it_had() -> None:
    # In processes of their own: what malloc has been told stays so.
    script = (
        "import sys; sys.path.insert(0, {path!r})\n"
        "from contextlib import nullcontext\n"
        "from test_steady import fresh_pages, steady\n"
        "with {how}(): print(fresh_pages())"
    )
    here = str(Path(__file__).parent)
    found = [
        subprocess.run(
            [sys.executable, "-c", script.format(path=here, how=how)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for how in ("nullcontext", "steady")
    ]
    given_back, kept = map(int, found)
    assert kept < 1000 < given_back
