"""The fastest choices that fit in a device's memory, and what to change if none fit."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.model.live_memory import Peak
from pawl.train.choices import fastest_first
from pawl.train.device import GIB, Device
from pawl.train.loop import shuffled
from pawl.train.memory import Load, peak
from pawl.train.pack import best_fit, packed
from pawl.train.rows import Row

# No remedy lowers `train.rank` and `train.max_length` below these.
RANK, LENGTH = 1, 32


@dataclass(frozen=True)
class Fit:
    """The choices for a device, and their peak memory; if none fit, those that take least."""

    choices: Choices
    peak: Peak
    fits: bool


def choose(
    folder: Path, rows: Sequence[Row], dev_rows: Sequence[Row], params: Train, device: Device
) -> Fit:
    """The fastest choices that fit in the device's memory; deterministic on a machine."""
    order = fastest_first(rows, params)

    @functools.cache
    def need(choices: Choices) -> Peak:
        load = heaviest(rows, dev_rows, params, choices.room)
        return peak(folder, params, load, choices, cuda=device.cuda)

    for limit, gives_back in device.limits:
        hopeless: set[Choices] = set()
        for choices in order:
            least = dataclasses.replace(choices, room=order[-1].room)
            if least in hopeless:
                continue
            if need(choices).total <= limit:
                chosen = dataclasses.replace(choices, gives_back=gives_back)
                return Fit(chosen, need(choices), fits=True)
            if need(least).total > limit:
                # If the smallest packs do not fit, larger ones need not be tried.
                hopeless.add(least)
    last = dataclasses.replace(order[-1], gives_back=not device.cuda)
    return Fit(last, need(order[-1]), fits=False)


def remedies(
    folder: Path, rows: Sequence[Row], dev_rows: Sequence[Row], params: Train, device: Device
) -> tuple[str, ...]:
    """Alternatives that would make a training fit: one change each, the largest value that fits."""
    choices = fastest_first(rows, params)[-1]

    def need(learned: Sequence[Row], read: Sequence[Row], changed: Train, least: Choices) -> int:
        load = heaviest(learned, read, changed, least.room)
        return peak(folder, changed, load, least, cuda=device.cuda).total

    def by_rank(rank: int) -> int:
        changed = dataclasses.replace(params, rank=rank)
        return need(rows, dev_rows, changed, choices)

    def by_length(length: int) -> int:
        learned, read = ([_cut(row, length) for row in part] for part in (rows, dev_rows))
        changed = dataclasses.replace(params, max_length=length)
        least = fastest_first(learned, changed)[-1]
        return need(learned, read, changed, least)

    longest = max(map(len, (*rows, *dev_rows)))
    found = []
    if rank := _largest(by_rank, RANK, int(params.rank), device.usable):
        found.append(f"`train.rank: {rank}`")
    if length := _largest(by_length, LENGTH, longest, device.usable):
        over = sum(len(row) > length for row in rows)
        found.append(
            f"`train.max_length: {length}` ({over:,} of {len(rows):,} train rows are longer)"
        )
    least = need(rows, dev_rows, params, choices)
    size = math.ceil(10 * device.memory_for(least) / GIB) / 10
    found.append(f"a device with {size:.1f} GiB")
    return tuple(found)


def _cut(row: Row, length: int) -> Row:
    prompt = min(row.prompt, length - 1)
    earlier = tuple(span for span in row.earlier if span[1] <= prompt)
    return dataclasses.replace(row, tokens=row.tokens[:length], prompt=prompt, earlier=earlier)


def heaviest(rows: Sequence[Row], dev_rows: Sequence[Row], params: Train, room: int) -> Load:
    """The heaviest packs of all steps and of the pass over dev (without dev rows: of the steps)."""
    learned, several = _heaviest_step(rows, params, room)
    read = _heaviest(dev_rows or learned, room)
    return Load(packed(learned, room=room)[0], packed(read, room=room)[0], several)


def _heaviest_step(rows: Sequence[Row], params: Train, room: int) -> tuple[list[Row], bool]:
    """The rows of the heaviest pack of all steps, and whether any step has several packs."""
    worst: list[Row] = []
    several = False
    for epoch in range(math.ceil(params.epochs)):
        order = shuffled(len(rows), seed=params.seed, epoch=epoch)
        for start in range(0, len(order), params.batch_size):
            step = [rows[i] for i in order[start : start + params.batch_size]]
            found = _heaviest(step, room)
            several |= len(found) < len(step)
            worst = max(worst, found, key=_weight)
    return worst, several


def _heaviest(rows: Sequence[Row], room: int) -> list[Row]:
    packs = best_fit([len(row) for row in rows], room=room)
    return max(([rows[i] for i in pack] for pack in packs), key=_weight)


def _weight(rows: Sequence[Row]) -> tuple[int, int]:
    return sum(map(len, rows)), sum(row.targets for row in rows)


def _largest(need: Callable[[int], int], low: int, high: int, limit: int) -> int | None:
    """The largest number in [low, high) whose need is within the limit; None if none is.

    The need grows almost linearly, so that interpolation tries few numbers.
    """
    below, above = need(low), need(high)
    if below > limit or low >= high:
        return None
    while high - low > 1:
        at = low + int((high - low) * (limit - below) / max(1, above - below))
        at = min(max(at, low + 1), high - 1)
        tried = need(at)
        if tried <= limit:
            low, below = at, tried
            if high - low <= max(1, low // 50):
                break
        else:
            high, above = at, tried
    return low
