"""The champion of a task that has moved to another base: judged on its own (ADR 36)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pawl.config.judging import Evaluate
from pawl.core.records import AdapterManifest, BaseInfo, BaseRef, Example
from pawl.errors import AdapterError
from pawl.evaluate.adapter_slot import AdapterSlot
from pawl.evaluate.baselines import prompt_limit
from pawl.evaluate.grammar import grammar_for
from pawl.evaluate.judging import Judging, asked_of, judged_model, judging
from pawl.evaluate.scoreboard import Reply, Scoreboard
from pawl.model.adapter import load_adapter
from pawl.model.base import find_base
from pawl.model.device import Device, here
from pawl.model.prompt import answer_text, prompt_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.workspace.adapter_base import find_adapter_base
from pawl.workspace.paths import Workspace

CHAMPION, CARRIED = "champion", "carried"


def champion_judging(
    folder: Path,
    rows: Sequence[Example],
    policy: Evaluate,
    manifest: AdapterManifest,
    base: BaseInfo,
    device: Device,
) -> Judging:
    """How an adapter, of this manifest, is judged on `base`, which lies in `folder`."""
    tokenizer = load_tokenizer(folder, base)
    prompts = [prompt_tokens(tokenizer, row.messages) for row in rows]
    references = [answer_text(tokenizer, row) for row in rows]
    return judging(folder, asked_of([prompts], references, policy, tokenizer, manifest), device)


def planned_move(
    workspace: Workspace,
    task: str,
    manifest: AdapterManifest,
    rows: Sequence[Example],
    device: Device,
) -> tuple[BaseRef, Judging]:
    """Where the base of a champion that sits on another than the task's lies, and how it is judged.

    Raises:
        BaseError: its base is not here.
    """
    place, policy = find_adapter_base(workspace, task, manifest.base), workspace.task(task).evaluate
    folder = find_base(place, workspace.root)
    return place, champion_judging(folder, rows, policy, manifest, manifest.base, device)


def score_moved_champion(
    board: Scoreboard,
    policy: Evaluate,
    rows: Sequence[Example],
    *,
    adapter: Path,
    manifest: AdapterManifest,
    bases: tuple[Path, Path],
    base: BaseInfo,
    schema: Any,
    cache: Path | None,
) -> dict[str, str]:
    """Score the champion on its own base, and what its adapter does on the task's.

    The second is informative: does the move need a training at all? Call when nothing else is
    loaded: one base at a time is in memory.

    Args:
        adapter: the champion's folder, verified; `manifest` is its manifest.
        bases: the folders of its own base and of the task's, which is `base`.

    Returns:
        Why the second was skipped, by name, if its layers are not those of the task's base.
    """

    def answer(name: str, folder: Path, base: BaseInfo) -> tuple[list[Reply], bool]:
        held = champion_judging(folder, rows, policy, manifest, base, here())
        model: Any = load_adapter(judged_model(folder, held), adapter, name=name)
        tokenizer = load_tokenizer(folder, base)
        loaded = AdapterSlot(
            model=model,
            tokenizer=tokenizer,
            grammar=grammar_for(policy, schema, model, tokenizer),
            weights=held.weights,
            policy=policy,
            base=base.digest,
            adapters={name: manifest.digest},
            prompt_limit=prompt_limit(folder, policy),
            cache=cache,
            timed=board.timed,
        )
        return loaded.replies(lambda turns: turns, rows, adapter=name, label=board.bar_label(name))

    own, new = bases
    by_schema = policy.schema_decoding == "all"
    digest, of = manifest.digest, manifest.base.digest
    replies, cached = answer(CHAMPION, own, manifest.base)
    board.add(
        *(CHAMPION, "gate", rows, replies),
        adapter=digest,
        base=of,
        by_schema=by_schema,
        cached=cached,
    )
    try:
        replies, cached = answer(CARRIED, new, base)
    except AdapterError:
        return {CARRIED: "the champion's adapter does not fit the layers of the task's new base"}
    where = "the champion's adapter on the task's new base"
    board.add(
        *(CARRIED, "gate", rows, replies),
        adapter=digest,
        elsewhere=where,
        by_schema=by_schema,
        cached=cached,
    )
    return {}
