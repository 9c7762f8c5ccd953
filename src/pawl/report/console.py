"""The terminal that records are shown on: their texts are texts, never markup or commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from pawl.core.visible import raw, visible


class Terminal(Console):
    """A console without markup and emoji codes, on which control characters are visible.

    Styles are given beside a text (`style=`, `Text`), never in it. Writes to stdout by default.
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("file", raw(sys.stdout))
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Rich's own commands are no texts.
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
