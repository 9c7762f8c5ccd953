"""A training's progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pawl.core.records import DevPoint, Point


@contextmanager
def progress_bar(
    steps: int, *, done: int, quiet: bool = False
) -> Iterator[Callable[[Point | DevPoint], None]]:
    """Within this, a progress bar on stderr with the time left.

    Call the result with each step and each dev loss.
    """
    from tqdm import tqdm

    with tqdm(total=steps, initial=done, desc="train", unit="step", disable=quiet) as bar:
        shown: dict[str, str] = {}

        def update(point: Point | DevPoint) -> None:
            shown["loss" if isinstance(point, Point) else "dev"] = f"{point.loss:.3f}"
            bar.set_postfix(shown, refresh=False)
            bar.update(point.step - bar.n)

        yield update
