"""The contenders on the task's base: candidate and champion as adapters, and prompts alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pawl.core.records import Example
from pawl.evaluate.adapter_slot import AdapterSlot
from pawl.evaluate.baselines import Prompts, baselines
from pawl.evaluate.scoreboard import Scoreboard

# So many dev rows at a time are asked of the base: nearly always the first ones tell.
FEW = 8


def score_task_base(
    board: Scoreboard,
    loaded: AdapterSlot,
    dev: Sequence[Example],
    gate: Sequence[Example] | None,
    train: Sequence[Example],
    *,
    screening: Sequence[Example],
    prompts: Prompts,
    judged_by: str | None,
) -> tuple[dict[str, float], dict[str, str], bool]:
    """Score the contenders on the task's base.

    `gate` None: only the candidate on dev, and the champion on the `screening` rows of dev.

    Returns:
        Perplexities of the general text, and why a contender was skipped; both by name. Whether
        the base answers all of dev as the candidate does.
    """
    replies, cached = loaded.replies(_as_is, dev, adapter="candidate", label="dev: candidate")
    digest = loaded.adapters["candidate"]
    held = loaded.holds(prompted=False)
    board.add("candidate", "dev", dev, replies, adapter=digest, by_schema=held, cached=cached)
    said = [reply.text for reply in replies]
    if screening:
        replies, cached = loaded.replies(
            _as_is, screening, adapter="champion", label="dev: champion"
        )
        worn = loaded.adapters["champion"]
        board.add(
            "champion", "dev", screening, replies, adapter=worn, by_schema=held, cached=cached
        )
    general, same = loaded.general_perplexities(), _same_as_base(loaded, dev, said)
    if gate is None:
        return general, {}, same
    prompted, skipped = baselines(
        train,
        gate,
        prompts,
        tokenizer=loaded.tokenizer,
        limit=loaded.prompt_limit,
    )
    for name, digest in loaded.adapters.items():
        replies, cached = loaded.replies(_as_is, gate, adapter=name, label=board.bar_label(name))
        board.add(name, "gate", gate, replies, adapter=digest, by_schema=held, cached=cached)
    for baseline in prompted:
        label = board.bar_label(baseline.name)
        replies, cached = loaded.replies(
            baseline.show, gate, prompted=True, judged_by=judged_by, label=label
        )
        board.add(
            *(baseline.name, "gate", gate, replies),
            judged_by=judged_by,
            by_schema=loaded.holds(prompted=True),
            cached=cached,
        )
    return general, skipped, same


def _same_as_base(loaded: AdapterSlot, dev: Sequence[Example], said: Sequence[str]) -> bool:
    """Whether the bare base answers every dev row so; it is asked until it answers one otherwise.

    A loss that moved (`refuse_no_effect`) need not move any answer.
    """
    for start in range(0, len(dev), FEW):
        replies, _ = loaded.replies(_as_is, dev[start : start + FEW], label=None)
        if [reply.text for reply in replies] != [*said[start : start + FEW]]:
            return False
    return True


def _as_is(turns: Any) -> Any:
    return turns
