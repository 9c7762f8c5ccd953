"""Packs against padded batches: the same rows, layers and steps, in turns in one process.

    python bench/packing.py [--runs 5] [--batches 6]

Row lengths are log-normal, as those of chats are: median 90 tokens, at most 768. A padded batch is
sixteen rows, each filled up to the longest of them; a pack is the same sixteen end to end. Both run
through the same layers and the head on completion tokens only; tokens are real ones. On a busy
machine the tokens of a CPU second tell more than those of a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from pawl.config.schema import Train
from pawl.model.base import dequantised, load_base
from pawl.train.pack import Pack, packed
from pawl.train.passes import packed_mode, summed_loss
from pawl.train.qlora import adapted
from pawl.train.rows import Row

TINY = Path(__file__).resolve().parents[1] / "base" / "tiny"
PARAMS = Train(rank=16, max_length=768, seed=1)
MEDIAN, SPREAD, LONGEST, SIZE = 4.5, 1.0, 768, 16


def main() -> None:
    """Print both speeds, their ratio, and that both learn the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batches", type=int, default=6)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = adapted(dequantised(load_base(TINY)), PARAMS).train()
    batches = [rows(number) for number in range(given.batches)]
    ways: dict[str, Callable[[Sequence[Row]], list[Pack]]] = {
        "padded": lambda batch: [padded(batch)],
        "packed": lambda batch: packed(batch, room=4096),
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    losses: dict[str, float] = {}
    with packed_mode(model):
        for _ in range(given.runs + 1):
            for way, lay in ways.items():
                start = time.perf_counter(), time.process_time()
                losses[way] = sum(learned(model, lay(batch)) for batch in batches)
                found[way].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    tokens = sum(len(row) for batch in batches for row in batch)
    filled = sum(SIZE * max(map(len, batch)) for batch in batches)
    print(f"{tokens:,} tokens, padded {filled:,}; load {os.getloadavg()[0]:.0f}")
    for way, times in found.items():
        wall, cpu = ([tokens / t[i] for t in times[1:]] for i in (0, 1))
        print(
            f"{way}: {statistics.median(wall):,.0f} tokens/s; "
            f"{statistics.median(cpu):,.0f} ({min(cpu):,.0f} to {max(cpu):,.0f}) a CPU second; "
            f"loss {losses[way]:.4f}"
        )
    for i, clock in enumerate(("seconds", "CPU seconds")):
        pairs = zip(found["padded"][1:], found["packed"][1:], strict=True)
        ratios = sorted(one[i] / other[i] for one, other in pairs)
        print(
            f"packed over padded, by {clock}: {statistics.median(ratios):.2f} × "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def rows(number: int) -> list[Row]:
    """A batch of random tokens; the first half of a row is shown."""
    generator = torch.Generator().manual_seed(number)
    drawn = torch.empty(SIZE).log_normal_(MEDIAN, SPREAD, generator=generator)
    found = []
    for length in drawn.clamp(8, LONGEST).int().tolist():
        ids = torch.randint(5, 2000, (length,), generator=generator).tolist()
        found.append(Row(f"r{len(found)}", tuple(ids), length // 2))
    return found


def padded(batch: Sequence[Row]) -> Pack:
    """The rows as a pack in which each is filled up to the longest; nothing of it is learned."""
    longest = max(map(len, batch))
    ids, at, targets = [], [], []
    for number, row in enumerate(batch):
        ids += [*row.tokens, *[0] * (longest - len(row))]
        first = number * longest
        at += range(first + row.prompt - 1, first + len(row) - 1)
        targets += row.tokens[row.prompt :]
    return Pack(
        ids=torch.tensor([ids]),
        positions=torch.arange(longest).repeat(len(batch))[None],
        at=torch.tensor(at),
        targets=torch.tensor(targets),
        read=torch.tensor(at),
        lengths=(longest,) * len(batch),
    )


def learned(model: Any, packs: Sequence[Pack]) -> float:
    """A step's forward and backward passes; the weights stay, so that both ways learn the same."""
    model.zero_grad()
    total = sum(len(pack.targets) for pack in packs)
    value = 0.0
    for pack in packs:
        loss = summed_loss(model, pack) / total
        loss.backward()
        value += float(loss)
    return value


if __name__ == "__main__":
    main()
