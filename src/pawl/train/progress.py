"""A training's progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pawl.core.records import Point


@contextmanager
def progress_bar(
    steps: int, *, done: int, quiet: bool = False
) -> Iterator[Callable[[Point], None]]:
    """Within this, a progress bar on stderr with the time left; call the result with each step."""
    from tqdm import tqdm

    with tqdm(total=steps, initial=done, desc="train", unit="step", disable=quiet) as bar:

        def update(point: Point) -> None:
            bar.set_postfix(loss=f"{point.loss:.3f}", refresh=False)
            bar.update(point.step - bar.n)

        yield update
