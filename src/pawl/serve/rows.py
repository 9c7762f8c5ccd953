"""A row: one prompt that waits for its answer, or is being answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

# How an answer ended: by the model's end token, by its limit, or not at all: `failed` is this row's
# own fault, `broken` the engine's.
Ending = Literal["stop", "length", "failed", "broken"]


class FullError(Exception):
    """As many rows wait as may wait."""


class BrokenError(Exception):
    """The engine is broken, or was stopped."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen: at temperature 0 the likeliest one, as for the gate.

    `top_p`: of the likeliest tokens that together have this probability. `seed` None: any.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


@dataclass(frozen=True)
class News:
    """What the engine tells of a row: all its tokens so far, and how it ended, None: it goes on.

    `why` says what is wrong where it failed.
    """

    tokens: tuple[int, ...]
    ended: Ending | None = None
    why: str = ""


@dataclass(eq=False)
class Row:
    """One prompt in the engine.

    `prompt` are token ids, `adapter` is a name of `pawl.serve.adapters`, `limit` the most tokens of
    the answer. `tell` is called by the engine's thread at the end, and at each token if `watched`;
    it must return at once. `alone`: it shares no batch. `tries` counts how often it had to begin
    again. `gone`: nobody waits for it.
    """

    prompt: tuple[int, ...]
    adapter: str
    limit: int
    tell: Callable[[News], None]
    sampling: Sampling = Sampling()
    watched: bool = False
    alone: bool = False
    tries: int = 0
    gone: bool = False
    tokens: list[int] = field(default_factory=list)
    dice: torch.Generator | None = None

    @property
    def length(self) -> int:
        """How many tokens have to be computed before the next one."""
        return len(self.prompt) + len(self.tokens)
