"""The execution choices that do not change what is learned, ordered by their expected time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.train.pack import best_fit
from pawl.train.rows import Row

# The largest and the smallest packs, in tokens.
ROOM, LEAST = Choices.room, 512
# The overhead of a pack, in tokens of one pass, and that of unpacking NF4 (measured on a CPU:
# bench/README.md; not on a GPU, whose overhead is larger, so that the order is the same).
PACK, UNPACKING = 64, 64
PLAIN = Choices()


def fastest_first(rows: Sequence[Row], params: Train) -> list[Choices]:
    """All choices but malloc's, fastest first; the last takes the least memory.

    Time is estimated in passes through the base: two without checkpointing (forward, and back to
    the inputs: frozen weights have no gradient), three with it, plus PACK and UNPACKING per pack.
    """
    lengths, size = [len(row) for row in rows], params.batch_size
    steps = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    packs: dict[int, int] = {}
    for room in _rooms(params.max_length):
        count = sum(len(best_fit(step, room=room)) for step in steps)
        # The same number of smaller packs is hardly different.
        if count not in packs.values():
            packs[room] = count

    def cost(choices: Choices) -> float:
        overhead = PACK + (UNPACKING if choices.weights == "nf4" else 0)
        return (2 + choices.checkpointing) * (sum(lengths) + overhead * packs[choices.room])

    combinations = itertools.starmap(
        Choices, itertools.product(("dense", "nf4"), (False, True), packs)
    )
    return sorted(combinations, key=lambda choices: (cost(choices), -choices.room))


def _rooms(longest: int) -> list[int]:
    """Pack sizes from `ROOM` by halves to `LEAST`; none below the longest allowed row."""
    rooms = [max(ROOM, longest)]
    while rooms[-1] // 2 > max(LEAST, longest):
        rooms.append(rooms[-1] // 2)
    return [*rooms, max(LEAST, longest)] if longest < rooms[-1] else rooms
