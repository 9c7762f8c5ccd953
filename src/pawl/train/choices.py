"""What a training may choose without learning anything else, and what each choice costs in time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pawl.config.schema import Train
from pawl.train.pack import best_fit
from pawl.train.rows import Row

# Tokens of a pack where memory allows, and below which packs are made no smaller.
ROOM, LEAST = 4096, 512
# What a pack costs beside its tokens, in tokens of one pass; the second where NF4 is unpacked
# (measured on a CPU: bench/README.md. On a card they are not measured, and a pack must be larger to
# be worth the same, so that the order stands.)
PACK, UNPACKING = 64, 64


@dataclass(frozen=True)
class Choices:
    """How the base is held, what is kept for the backward pass, and how large a pack is.

    `weights`: unpack an NF4 weight for each product (least memory), or all of them once (the very
    same values). `checkpointing`: keep the input of each decoder layer alone and compute the rest
    again (the same bits). `room`: tokens of a pack; another one sums in another order.
    `gives_back`: malloc gives back what tensors leave, so that a process on CPU holds what they
    take; their memory is then fetched anew each time, which is slower (the same bits).
    """

    weights: Literal["nf4", "dense"] = "nf4"
    checkpointing: bool = False
    room: int = ROOM
    gives_back: bool = False

    def says(self) -> str:
        """The choices as a person reads them."""
        held = "unpacked once" if self.weights == "dense" else "as NF4, unpacked for each product"
        kept = "with" if self.checkpointing else "without"
        said = f"the base {held}, {kept} checkpointing, packs of up to {self.room:,} tokens"
        return said + (", malloc giving back what is freed (slower)" if self.gives_back else "")


PLAIN = Choices()


def fastest_first(rows: Sequence[Row], params: Train) -> list[Choices]:
    """All choices but malloc's, by the time that they are expected to take; the last takes least
    memory.

    A pass without checkpointing is two of the base (forward, and back to the inputs: frozen weights
    have no gradient), with it three; each pack costs `PACK`, unpacking costs `UNPACKING` beside.
    """
    lengths, size = [len(row) for row in rows], params.batch_size
    steps = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    packs: dict[int, int] = {}
    for room in _rooms(params.max_length):
        count = sum(len(best_fit(step, room=room)) for step in steps)
        # As many packs in less room are all but the same packs.
        if count not in packs.values():
            packs[room] = count

    def cost(choices: Choices) -> float:
        each = PACK + (UNPACKING if choices.weights == "nf4" else 0)
        return (2 + choices.checkpointing) * (sum(lengths) + each * packs[choices.room])

    found = itertools.starmap(Choices, itertools.product(("dense", "nf4"), (False, True), packs))
    return sorted(found, key=lambda choices: (cost(choices), -choices.room))


def _rooms(longest: int) -> list[int]:
    """From `ROOM` by halves to `LEAST`; none smaller than the longest row that is allowed."""
    rooms = [max(ROOM, longest)]
    while rooms[-1] // 2 > max(LEAST, longest):
        rooms.append(rooms[-1] // 2)
    return [*rooms, max(LEAST, longest)] if longest < rooms[-1] else rooms
