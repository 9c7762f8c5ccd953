"""Contenders elsewhere: another base, or a server. They inform; the gate asks nobody to beat them.

Does the small tuned model match the large prompted one? They answer the same rows in the same run,
with the task's long prompt where it has one, else with the row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.schema import Evaluate
from pawl.core.records import BaseRef, Example
from pawl.evaluate.adapter_slot import AdapterSlot
from pawl.evaluate.baselines import Turns, longest_prompt, prompt_room
from pawl.evaluate.board import Board
from pawl.evaluate.endpoint import UnansweredError, ask
from pawl.model.base import base_info, dequantised, find_base, load_base
from pawl.model.prompt import with_instruction
from pawl.model.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def score_bases(
    board: Board,
    policy: Evaluate,
    rows: Sequence[Example],
    *,
    instruction: str,
    root: Path,
    folder: Path | None,
) -> dict[str, str]:
    """Have each of `evaluate.bases` answer the gate rows; returns why any could not, by name.

    Call when nothing else is loaded: one base at a time is held.

    Raises:
        BaseError: a base is absent or incomplete.
    """
    skipped: dict[str, str] = {}
    show = shown(instruction)
    for name, base in policy.bases.items():
        seat = _seat(base, policy, root=root, folder=folder)
        longest = longest_prompt(show, rows, seat.tokenizer)
        if longest > seat.room:
            skipped[name] = f"its longest prompt has {longest} tokens, {seat.room} fit"
            continue
        replies, kept = seat.replies(show, rows, label=board.bar(name))
        board.add(name, "gate", rows, replies, elsewhere=f"base {seat.base[:12]}", kept=kept)
    return skipped


def score_endpoints(
    board: Board,
    policy: Evaluate,
    rows: Sequence[Example],
    *,
    instruction: str,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, str]:
    """Have each of `evaluate.endpoints` answer the gate rows; why any could not, by name.

    Answers of a server are never kept: nothing proves that the same model would give them again.
    """
    skipped: dict[str, str] = {}
    show = shown(instruction)
    for name, endpoint in policy.endpoints.items():
        try:
            replies = ask(
                endpoint,
                [show(row.messages) for row in rows],
                max_new_tokens=policy.max_new_tokens,
                tokenizer=tokenizer,
            )
        except UnansweredError as why:
            # Half a contender is none: what it did answer is not scored.
            skipped[name] = str(why)
            continue
        at = f"{endpoint.model} at {endpoint.url}"
        board.add(name, "gate", rows, replies, elsewhere=at)
    return skipped


def shown(instruction: str) -> Callable[[Turns], Turns]:
    """How a row is shown to a contender elsewhere."""
    return lambda turns: with_instruction(turns, instruction) if instruction else turns


def _seat(base: BaseRef, policy: Evaluate, *, root: Path, folder: Path | None) -> AdapterSlot:
    place = find_base(base, root)
    return AdapterSlot(
        model=dequantised(load_base(place)).eval(),
        tokenizer=load_tokenizer(place),
        policy=policy,
        base=base_info(base, root).digest,
        adapters={},
        room=prompt_room(place, policy),
        folder=folder,
    )
