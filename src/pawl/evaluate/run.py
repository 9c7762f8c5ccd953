"""The evaluate stage: every contender answers the same rows in one run, on a base loaded once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from pawl.config.schema import Gate
from pawl.core.alpha_budget import gate_split_id, unspent
from pawl.core.files import (
    digest_json,
    digest_text,
    json_text,
    lines_text,
    read_lines,
    whole_folder,
)
from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    EvalReport,
    Example,
    HeldOutRow,
    Look,
    SplitReport,
    read_record,
    read_rows,
    to_json,
)
from pawl.core.row_identity import row_hashes
from pawl.core.sealing import seal
from pawl.errors import DataError
from pawl.evaluate.baselines import baselines, prompt_limit
from pawl.evaluate.loaded_model import LoadedModel
from pawl.evaluate.other_contenders import score_bases, score_endpoints
from pawl.evaluate.scoreboard import Scoreboard
from pawl.evaluate.scorers import scorers
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.base import dequantised, find_base, load_base
from pawl.model.tokenizer import load_tokenizer
from pawl.workspace.fingerprints import evaluation_fingerprint
from pawl.workspace.paths import TaskFiles, Workspace

if TYPE_CHECKING:
    from peft import PeftModel


def evaluate(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/eval/`: rows.jsonl (a `Score` a line), report.json, timing.json.

    Gate rows are scored only for a look that was reserved for exactly this candidate against
    exactly this champion; otherwise only dev is scored.

    Raises:
        AdapterError: candidate or champion is damaged or was trained on another base.
        DataError: no gate row is left to judge on, a baseline's prompt does not fit, or a user's
            scorer failed.
    """
    files, section = workspace.files(task), workspace.task(task)
    base = read_record(files.base, BaseInfo)
    champion = read_record(files.champion / "champion.json", Champion)
    look = read_look(files.look)
    if look and look.question != evaluation_fingerprint(workspace, task, champion):
        look = None
    candidate = read_adapter(files.adapter, base=base.digest)
    dev, gate, train = (
        read_rows(files.splits / f"{name}.jsonl") for name in ("dev", "gate", "train")
    )
    manifests = (candidate, _champion_manifest(files, champion, base))
    judged = _unseen(_unspent(files, task, gate, look), manifests) if look else []
    schema = json.loads(files.schema.read_text(encoding="utf-8"))
    instruction = files.prompt.read_text(encoding="utf-8")
    splits = read_record(files.splits / "manifest.json", SplitReport)
    timed, sealed = _timed(section.gate), section.gate.disclosure == "sealed"
    board = Scoreboard(scorers(schema, section.evaluate, workspace.root), splits, timed, sealed)
    # A cached time was measured under another load: where times are judged, all are new. And
    # answers to a sealed gate's rows are stored nowhere in the clear.
    cache = None if timed or sealed else workspace.answers
    folder = find_base(section.base, workspace.root)
    tokenizer = load_tokenizer(folder)
    adapters = {"candidate": candidate.digest}
    if look and manifests[1]:
        adapters["champion"] = manifests[1].digest
    # The model is referenced by this call alone: the next base needs its memory.
    general, skipped = _score_task_base(
        board,
        LoadedModel(
            model=_model(files, folder, adapters),
            tokenizer=tokenizer,
            policy=section.evaluate,
            base=base.digest,
            adapters=adapters,
            prompt_limit=prompt_limit(folder, section.evaluate),
            cache=cache,
        ),
        dev,
        judged if look else None,
        train,
        instruction=instruction,
    )
    if look:
        skipped |= score_endpoints(
            board, section.evaluate, judged, instruction=instruction, tokenizer=tokenizer
        )
        skipped |= score_bases(
            board,
            section.evaluate,
            judged,
            instruction=instruction,
            root=workspace.root,
            cache=cache,
        )
    rows_text = lines_text(map(dataclasses.asdict, board.scores))
    report = EvalReport(
        task=task,
        base=base.digest,
        candidate=candidate.digest,
        champion=champion,
        look=look,
        gate=digest_json([row.id for row in judged]) if look else None,
        excluded=len(gate) - len(judged) if look else 0,
        contenders=tuple(board.contenders),
        skipped=skipped,
        scores=digest_text(rows_text),
        general=general,
    )
    texts = {
        "rows.jsonl": rows_text,
        "timing.json": json_text(to_json(board.timing)),
        "report.json": json_text(to_json(report)),
    }
    plain = {name: text.encode("utf-8") for name, text in texts.items()}
    # Sealed in memory, so that a killed process leaves no plain rows behind.
    contents = seal(texts) if look and sealed else plain
    with whole_folder(files.eval) as out:
        for name, data in contents.items():
            (out / name).write_bytes(data)


def _score_task_base(
    board: Scoreboard,
    loaded: LoadedModel,
    dev: Sequence[Example],
    gate: Sequence[Example] | None,
    train: Sequence[Example],
    *,
    instruction: str,
) -> tuple[dict[str, float], dict[str, str]]:
    """Score the contenders on the task's base; `gate` None: only the candidate, on dev.

    Returns:
        Perplexities of the general text, and why a contender was skipped; both by name.
    """
    replies, cached = loaded.replies(_as_is, dev, adapter="candidate", label="dev: candidate")
    digest = loaded.adapters["candidate"]
    board.add("candidate", "dev", dev, replies, adapter=digest, cached=cached)
    general = loaded.general_perplexities()
    if gate is None:
        return general, {}
    prompted, skipped = baselines(
        train,
        gate,
        instruction=instruction,
        shots=loaded.policy.shots,
        tokenizer=loaded.tokenizer,
        limit=loaded.prompt_limit,
    )
    for name, digest in loaded.adapters.items():
        replies, cached = loaded.replies(_as_is, gate, adapter=name, label=board.bar_label(name))
        board.add(name, "gate", gate, replies, adapter=digest, cached=cached)
    for baseline in prompted:
        label = board.bar_label(baseline.name)
        replies, cached = loaded.replies(baseline.show, gate, label=label)
        board.add(baseline.name, "gate", gate, replies, cached=cached)
    return general, skipped


def read_look(path: Path) -> Look | None:
    """Read `look.json`; None if no look is reserved."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))["look"]
        return None if value is None else TypeAdapter(Look).validate_python(value)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no look: {error}",
            rule='it is {"look": null} or a look that the flow reserved',
            remedy="delete the file and run `pawl run` again",
        ) from error


def _champion_manifest(
    files: TaskFiles, champion: Champion, base: BaseInfo
) -> AdapterManifest | None:
    """The manifest of the champion's snapshot, verified; None without a champion."""
    if champion.version is None:
        return None
    manifest = read_adapter(files.champion / "adapter", base=base.digest)
    if manifest.digest != champion.digest:
        raise DataError(
            f"the snapshot of champion {champion.version} has digest {manifest.digest[:12]}",
            rule=f"the ledger released {(champion.digest or 'nothing')[:12]}",
            remedy="delete build/TASK/champion and run `pawl run` again",
        )
    return manifest


def _unspent(files: TaskFiles, task: str, gate: Sequence[Example], look: Look) -> list[Example]:
    """The gate rows of the look's budget: rows used up by an earlier budget are left out."""
    kind = TypeAdapter(HeldOutRow)
    held_out = read_lines(files.held_out_register) if files.held_out_register.is_file() else ()
    salt = read_record(files.splits / "manifest.json", SplitReport).salt
    rows = map(kind.validate_python, held_out)
    return unspent(gate, rows, split_id=gate_split_id(task, salt), since=look.since)


def _unseen(rows: Sequence[Example], adapters: Iterable[AdapterManifest | None]) -> list[Example]:
    """The rows that none of the adapters was trained on: only these may judge them."""
    trained_on = {key for adapter in adapters if adapter for key in adapter.trained_on}
    unseen = [row for row in rows if trained_on.isdisjoint(row_hashes(row))]
    if not unseen:
        raise DataError(
            f"all {len(rows)} gate rows were trained on by one of the contenders",
            rule="no row that a contender was trained on judges it",
            remedy="add fresh rows; do not change `split.salt` of a task that has a champion",
        )
    return unseen


def _model(files: TaskFiles, folder: Path, adapters: Iterable[str]) -> PeftModel:
    """Load the base with the verified adapters on it."""
    folders = {"candidate": files.adapter, "champion": files.champion / "adapter"}
    model: Any = dequantised(load_base(folder))
    for name in adapters:
        model = load_adapter(model, folders[name], name=name)
    return model


def _timed(policy: Gate) -> bool:
    """Whether the gate judges `seconds`."""
    return "seconds" in {policy.metric, *policy.guards}


def _as_is(turns: Any) -> Any:
    return turns
