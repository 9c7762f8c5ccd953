"""Expected errors cross from one process to another whole."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from pawl.errors import PawlError
from pawl.train.process_group import ProcessLostError


def kinds(of: type[PawlError] = PawlError) -> Iterator[type[PawlError]]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def fail(kind: type[PawlError]) -> None:
    error = kind("found", rule="rule", remedy="remedy")
    error.add_note("on Friday")
    raise error


def test_every_error_of_another_process_is_raised_as_itself_and_breaks_no_pool() -> None:
    context = multiprocessing.get_context("spawn")
    found = [*kinds()]
    assert ProcessLostError in found
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        for kind in found:
            with pytest.raises(kind) as raised:
                pool.submit(fail, kind).result(60)
            assert type(raised.value) is kind
            assert str(raised.value) == str(kind("found", rule="rule", remedy="remedy"))
            assert "on Friday" in raised.value.__notes__
