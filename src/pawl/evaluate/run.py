"""The evaluate stage: every contender answers the same rows in one run, on a base loaded once."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.judging import Gate
from pawl.config.schema import Task
from pawl.core.files import (
    digest_json,
    digest_text,
    json_text,
    lines_text,
    whole_folder,
)
from pawl.core.pairs import JUDGED, pairs_of
from pawl.core.records import (
    EvalReport,
    Example,
    SplitReport,
    read_record,
    read_rows,
    to_json,
)
from pawl.core.records.io import read_value
from pawl.core.sealing import seal
from pawl.evaluate.adapter_slot import AdapterSlot
from pawl.evaluate.baselines import prompt_limit, prompts_of
from pawl.evaluate.contest import Contest, read_contest
from pawl.evaluate.grammar import grammar_for, held_schema
from pawl.evaluate.judge import judged_pairs
from pawl.evaluate.judging import Judging, asked_of_task, cards_of, judged_model, judging
from pawl.evaluate.moved_champion import score_moved_champion
from pawl.evaluate.on_task_base import score_task_base
from pawl.evaluate.other_contenders import score_bases, score_endpoints, score_kept
from pawl.evaluate.scoreboard import Scoreboard
from pawl.evaluate.scorers import scorers
from pawl.evaluate.undecided import UNDECIDED
from pawl.model.adapter import load_adapter
from pawl.model.base import find_base
from pawl.model.device import here
from pawl.model.tokenizer import load_tokenizer, prompting_as
from pawl.workspace.adapter_base import find_adapter_base
from pawl.workspace.fingerprints import scorer_code
from pawl.workspace.paths import TaskFiles, Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


LOG = logging.getLogger(__name__)


def evaluate(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/eval/`: rows.jsonl (a `Score` a line), report.json, timing.json.

    Gate rows are scored only for a look that was reserved for exactly this candidate against
    exactly this champion; otherwise only dev is scored.

    Raises:
        AdapterError: an adapter is damaged, or the candidate was trained on another base.
        BaseError: the champion's own base is not here.
        DataError: no gate row is left to judge on, a baseline's prompt does not fit, or a user's
            scorer failed.
    """
    files, section = workspace.files(task), workspace.task(task)
    contest = read_contest(workspace, task)
    look, judged = contest.look, contest.judged
    schema, prompts = read_value(files.schema), prompts_of(section.evaluate, files)
    splits, held_to = read_record(files.splits / "manifest.json", SplitReport), held_schema(files)
    timed, sealed = _timed(section.gate), section.gate.disclosure == "sealed"
    board = Scoreboard(scorers(schema, section.evaluate, workspace.root), splits, timed, sealed)
    # A cached time was measured under another load: where times are judged, all are new. And
    # answers to a sealed gate's rows are stored nowhere in the clear.
    cache = None if timed or sealed else workspace.answers
    folder = find_base(section.base, workspace.root)
    tokenizer = load_tokenizer(folder, contest.base)
    dev, gate, train = (
        read_rows(files.splits / f"{name}.jsonl") for name in ("dev", "gate", "train")
    )
    limit = prompt_limit(folder, section.evaluate)
    asked = asked_of_task(section, (train, dev, gate), prompts, tokenizer, limit=limit)
    held = judging(folder, asked, here(), cards=cards_of(section))
    if not held.fits:
        LOG.warning("%s", held.says())
    # The model is referenced by this call alone: the next base needs its memory.
    general, skipped, same = score_task_base(
        board,
        _slot(files, section, contest, folder, held, schema=held_to, cache=cache),
        dev,
        judged if look else None,
        train,
        screening=contest.screening,
        prompts=prompts,
        judged_by=_judged_by(section),
    )
    if contest.moved:
        place = find_adapter_base(workspace, task, contest.moved.base)
        skipped |= score_moved_champion(
            board,
            section.evaluate,
            judged,
            adapter=files.champion / "adapter",
            manifest=contest.moved,
            bases=(find_base(place, workspace.root), folder),
            base=contest.base,
            schema=held_to,
            cache=cache,
        )
    if look:
        skipped |= _score_others(
            board, judged, workspace, task, prompts.instruction, tokenizer, held_to, cache
        )
    rows_text = lines_text(map(dataclasses.asdict, board.scores))
    report = EvalReport(
        task=task,
        base=contest.base.digest,
        candidate=contest.adapters["candidate"],
        champion=contest.champion,
        look=look,
        gate=digest_json([row.id for row in judged]) if look else None,
        excluded=contest.excluded,
        contenders=tuple(board.contenders),
        skipped=skipped,
        scores=digest_text(rows_text),
        general=general,
        weights=held.weights,
        same_as_base=same,
        scorer_code=scorer_code(section.evaluate, workspace.root),
    )
    further = {}
    if look and section.gate.judge:
        judge, further[JUDGED] = judged_pairs(
            section.gate.judge,
            read_value(files.scoring_inputs)["judge"]["rubric"],
            pairs_of(report, board.scores),
            {row.id: row.messages for row in judged},
            cache=None if sealed else workspace.answers,
        )
        report = dataclasses.replace(report, judge=judge)
    texts = {"rows.jsonl": rows_text, **further}
    _write(files.eval, board, report, texts, sealed=bool(look) and sealed)


def _write(
    folder: Path,
    board: Scoreboard,
    report: EvalReport,
    texts: dict[str, str],
    *,
    sealed: bool,
) -> None:
    texts = {
        **texts,
        "timing.json": json_text(to_json(board.timing)),
        "report.json": json_text(to_json(report)),
    }
    plain = {name: text.encode("utf-8") for name, text in texts.items()}
    # Sealed in memory, so that a killed process leaves no plain rows behind.
    contents = seal(texts) if sealed else plain
    with whole_folder(folder) as out:
        for name, data in contents.items():
            (out / name).write_bytes(data)


def _score_others(
    board: Scoreboard,
    judged: Sequence[Example],
    workspace: Workspace,
    task: str,
    instruction: str,
    tokenizer: PreTrainedTokenizerBase,
    schema: Any,
    cache: Path | None,
) -> dict[str, str]:
    """Score servers and other bases; return why one was skipped, by name."""
    policy = workspace.task(task).evaluate
    skipped = score_endpoints(board, policy, judged, instruction=instruction, tokenizer=tokenizer)
    kept = read_value(workspace.files(task).scoring_inputs).get("kept", {})
    skipped |= score_kept(board, kept, judged)
    return skipped | score_bases(
        *(board, policy, judged),
        instruction=instruction,
        schema=schema,
        root=workspace.root,
        cache=cache,
    )


def _slot(
    files: TaskFiles,
    section: Task,
    contest: Contest,
    folder: Path,
    held: Judging,
    *,
    schema: Any,
    cache: Path | None,
) -> AdapterSlot:
    """The task's base, held as was found to fit, with the verified adapters on it."""
    tokenizer: Any = load_tokenizer(folder, contest.base)
    model: Any = judged_model(folder, held)
    folders = {"candidate": files.adapter, "champion": files.champion / "adapter"}
    for name in contest.adapters:
        model = load_adapter(model, folders[name], name=name)
    return AdapterSlot(
        model=model,
        tokenizer=tokenizer,
        policy=section.evaluate,
        base=contest.base.digest,
        adapters=contest.adapters,
        prompt_limit=prompt_limit(folder, section.evaluate),
        cache=cache,
        timed=_timed(section.gate),
        weights=held.weights,
        grammar=grammar_for(section.evaluate, schema, model, tokenizer),
        prompting={
            name: prompting_as(tokenizer, base) for name, base in contest.trained_on.items()
        },
    )


def _judged_by(section: Task) -> str | None:
    """The metric by which a baseline's answer is given up where it can no longer be right."""
    early = section.evaluate.baselines == "judged" and not _timed(section.gate)
    return section.gate.metric if early and section.gate.metric in UNDECIDED else None


def _timed(policy: Gate) -> bool:
    """Whether the gate judges `seconds`."""
    return "seconds" in {policy.metric, *policy.guards}
