"""How a base is held while it is judged, as far as memory allows, and what that takes at its worst.

Decoding is fastest on unpacked weights, which take four times the memory of NF4. So the same base
may be trained on a card that cannot hold it unpacked; it is judged as NF4 then, and over several
cards where its training was split over them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.judging import Evaluate
from pawl.config.schema import Task
from pawl.core.records import AdapterManifest, Example, Weights
from pawl.errors import BaseError
from pawl.evaluate.baselines import Prompts, asked_prompts
from pawl.evaluate.judging_memory import MOST_RANK, Asked, judging_peak
from pawl.model.base import dequantised, load_base
from pawl.model.device import GIB, Device
from pawl.model.prompt import answer_text, completion_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from pawl.model.live_memory import Peak

HELD = {"dense": "unpacked", "nf4": "as NF4, unpacked for each product (slower)"}


@dataclass(frozen=True)
class Judging:
    """How a base is judged: its `weights`, the `cards` that share it (1 on a CPU), and peak memory.

    `parts` are bytes by part of the fullest card, none where that is not known. `fits`: tensors may
    take so much there, `usable`; `unpacked` is what unpacked weights would take where NF4 was
    chosen.
    """

    weights: Weights
    cards: int
    peak: int
    parts: dict[str, int]
    usable: int
    fits: bool
    unpacked: int | None = None
    remedies: tuple[str, ...] = ()

    def says(self) -> str:
        """It as text."""
        if not self.parts:
            return "judging: the memory of this family is not known; the base is unpacked"
        need = f"{self.peak / GIB:.2f} GiB"
        on = f" on each of {self.cards} cards" if self.cards > 1 else ""
        if not self.fits:
            fit = ", or ".join(self.remedies)
            return (
                f"judging does not fit: {need} for {self.usable / GIB:.1f}{on}, even with the base "
                f"as NF4; what would fit: {fit}"
            )
        why = f"; unpacked it would take {self.unpacked / GIB:.2f}" if self.unpacked else ""
        return (
            f"judging fits: {need} of {self.usable / GIB:.1f}{on}, with the base "
            f"{HELD[self.weights]}{why}"
        )


def judging(folder: Path, asked: Asked, device: Device, *, cards: int = 1) -> Judging:
    """The fastest way to judge the base in `folder` that fits; if none does, that of least memory.

    Args:
        folder: the base's; its config.json is enough.
        cards: how many cards may share it.

    A family whose passes cannot be taken on tensors without values is judged unpacked: its need is
    not known.
    """
    counts = (1, cards) if device.cuda and cards > 1 else (1,)
    needs: dict[Weights, int] = {}
    for weights in ("dense", "nf4"):
        try:
            found = judging_peak(folder, asked, weights, cuda=device.cuda)
        except BaseError:
            return Judging("dense", 1, 0, {}, device.usable, True)
        for count in counts:
            parts = _shared(found, count)
            needs[weights] = sum(parts.values())
            if needs[weights] <= device.usable:
                unpacked = needs["dense"] if weights == "nf4" else None
                need = needs[weights]
                return Judging(weights, count, need, parts, device.usable, True, unpacked)
    remedies = _remedies(folder, asked, device, counts[-1], needs["nf4"])
    return Judging(
        "nf4", counts[-1], needs["nf4"], parts, device.usable, False, needs["dense"], remedies
    )


def refuse_unfit(found: Judging, device: Device, name: str) -> None:
    """Raise `BaseError` if a base cannot be judged on the device, before its training is paid."""
    if not found.fits:
        raise BaseError(
            f"the base {name} cannot be judged on {device.name}: its memory at the worst moment is "
            f"{found.peak / GIB:.2f} GiB, even as NF4, and {found.usable / GIB:.1f} may be used",
            rule="an adapter is judged on the machine that trains it, and before that it is known "
            "that it can be",
            remedy="what would fit: " + ", or ".join(found.remedies),
        )


def judged_model(folder: Path, found: Judging) -> PreTrainedModel:
    """The base, held as was found to fit; without adapters."""
    model = load_base(folder, cards=found.cards)
    return dequantised(model) if found.weights == "dense" else model


def asked_of(
    prompts: Sequence[Sequence[Sequence[int]]],
    references: Sequence[str],
    policy: Evaluate,
    tokenizer: PreTrainedTokenizerBase,
    adapter: AdapterManifest | None = None,
) -> Asked:
    """What is asked of a base with this adapter: the longest prompts of each kind of `prompts`."""
    longest = tuple(
        tuple(tuple(p) for p in sorted(kind, key=len)[-policy.batch_size :])
        for kind in prompts
        if kind
    )
    reference = max((len(completion_tokens(tokenizer, text)) for text in references), default=1)
    bare = Asked(longest, policy.max_new_tokens, reference)
    if adapter is None:
        return bare
    targets = adapter.params.get("targets")
    names = None if targets is None else tuple(targets)
    return dataclasses.replace(bare, adapters=1, rank=adapter.rank, targets=names)


def asked_of_task(
    section: Task,
    splits: tuple[Sequence[Example], Sequence[Example], Sequence[Example]],
    prompts: Prompts,
    tokenizer: PreTrainedTokenizerBase,
    *,
    limit: int,
) -> Asked:
    """What an evaluation asks of the task's base, with the candidate and a champion on it.

    Args:
        splits: the rows of train, dev and gate.
        limit: the most tokens of a prompt.
    """
    train, dev, gate = splits
    policy, lora = section.evaluate, section.train
    asked = asked_prompts(train, dev, gate, prompts, tokenizer=tokenizer, limit=limit)
    references = [answer_text(tokenizer, row) for row in (*dev, *gate)]
    rank = MOST_RANK if lora.rank == "auto" else int(lora.rank)
    bare = asked_of(asked, references, policy, tokenizer)
    return dataclasses.replace(bare, adapters=2, rank=rank, targets=lora.targets)


def assumed(section: Task) -> Asked:
    """What is asked where the base's tokenizer is not here: prompts as long as rows may be."""
    policy, lora = section.evaluate, section.train
    prompts = [(number, *(0,) * (lora.max_length - 1)) for number in range(policy.batch_size)]
    rank = MOST_RANK if lora.rank == "auto" else int(lora.rank)
    return Asked(
        (tuple(prompts),), policy.max_new_tokens, policy.max_new_tokens, 2, rank, lora.targets
    )


def cards_of(section: Task) -> int:
    """How many cards may share the base in judging: those that share it in training."""
    return section.train.processes if section.train.parallel == "fsdp" else 1


def _shared(found: Peak, cards: int) -> dict[str, int]:
    """The parts of the fullest of so many cards: layers are shared, all else may be on one."""
    from pawl.model.live_memory import LINEARS

    return {
        part: math.ceil(size / cards) if part == LINEARS else size
        for part, size in found.parts.items()
    }


def _remedies(folder: Path, asked: Asked, device: Device, cards: int, need: int) -> tuple[str, ...]:
    """What would make judging fit: smaller batches, or another device."""
    found = []
    size = max(map(len, asked.prompts), default=1) // 2
    while size:
        smaller = tuple(kind[-size:] for kind in asked.prompts)
        fewer = dataclasses.replace(asked, prompts=smaller)
        parts = _shared(judging_peak(folder, fewer, "nf4", cuda=device.cuda), cards)
        if sum(parts.values()) <= device.usable:
            found.append(f"`evaluate.batch_size: {size}`")
            break
        size //= 2
    more = math.ceil(10 * device.memory_for(need) / GIB) / 10
    return (*found, f"a device with {more:.1f} GiB")
