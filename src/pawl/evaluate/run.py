"""One run in which every contender answers the same rows, with the base loaded once."""

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
from pawl.evaluate.adapter_slot import AdapterSlot
from pawl.evaluate.baselines import baselines, prompt_room
from pawl.evaluate.board import Board
from pawl.evaluate.elsewhere import score_bases, score_endpoints
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

    Gate rows are scored only for a look that the flow reserved for exactly this candidate against
    exactly this champion; without one, or with another's, dev alone is scored.

    Raises:
        AdapterError: candidate or champion is damaged or sits on another base.
        DataError: no gate row is left to judge on, a baseline's prompt does not fit, or a scorer of
            the task's own failed.
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
    reigning = _reigning(files, champion, base)
    judged = _unseen(_unspent(files, task, gate, look), (candidate, reigning)) if look else []
    schema = json.loads(files.schema.read_text(encoding="utf-8"))
    instruction = files.prompt.read_text(encoding="utf-8")
    splits = read_record(files.splits / "manifest.json", SplitReport)
    timed, sealed = _timed(section.gate), section.gate.disclosure == "sealed"
    board = Board(scorers(schema, section.evaluate, workspace.root), splits, timed, sealed)
    # A kept time would be that of another hour and load: where times are judged, all are new. And
    # what a sealed gate's rows were answered is left lying nowhere.
    kept_in = None if timed or sealed else workspace.answers
    adapters = {"candidate": candidate.digest}
    if look and reigning:
        adapters["champion"] = reigning.digest
    folder = find_base(section.base, workspace.root)
    seat = AdapterSlot(
        model=_model(files, folder, adapters),
        tokenizer=load_tokenizer(folder),
        policy=section.evaluate,
        base=base.digest,
        adapters=adapters,
        room=prompt_room(folder, section.evaluate),
        folder=kept_in,
    )
    skipped: dict[str, str] = {}
    replies, kept = seat.replies(_as_is, dev, adapter="candidate", label="dev: candidate")
    board.add("candidate", "dev", dev, replies, adapter=candidate.digest, kept=kept)
    general = seat.general()
    if look:
        skipped = _score_gate(board, seat, judged, train, instruction=instruction)
        tokenizer = seat.tokenizer
        # The next base needs the memory.
        del seat
        skipped |= score_endpoints(
            board, section.evaluate, judged, instruction=instruction, tokenizer=tokenizer
        )
        skipped |= score_bases(
            board,
            section.evaluate,
            judged,
            instruction=instruction,
            root=workspace.root,
            folder=kept_in,
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
    # Sealed in memory: nobody shall find the plain rows where a killed process left them.
    left = seal(texts) if look and sealed else plain
    with whole_folder(files.eval) as out:
        for name, data in left.items():
            (out / name).write_bytes(data)


def _score_gate(
    board: Board,
    seat: AdapterSlot,
    rows: Sequence[Example],
    train: Sequence[Example],
    *,
    instruction: str,
) -> dict[str, str]:
    """Candidate, champion and the baselines on the task's base; why any of them could not."""
    prompted, skipped = baselines(
        train,
        rows,
        instruction=instruction,
        shots=seat.policy.shots,
        tokenizer=seat.tokenizer,
        room=seat.room,
    )
    for name, digest in seat.adapters.items():
        replies, kept = seat.replies(_as_is, rows, adapter=name, label=board.bar(name))
        board.add(name, "gate", rows, replies, adapter=digest, kept=kept)
    for baseline in prompted:
        replies, kept = seat.replies(baseline.show, rows, label=board.bar(baseline.name))
        board.add(baseline.name, "gate", rows, replies, kept=kept)
    return skipped


def read_look(path: Path) -> Look | None:
    """The look in `look.json`, None where the flow reserved none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))["look"]
        return None if value is None else TypeAdapter(Look).validate_python(value)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no look: {error}",
            rule='it is {"look": null} or a look that the flow reserved',
            remedy="delete the file and run `pawl run` again",
        ) from error


def _reigning(files: TaskFiles, champion: Champion, base: BaseInfo) -> AdapterManifest | None:
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
    """The gate rows that the look's budget judges on: none of a budget that is used up."""
    kind = TypeAdapter(HeldOutRow)
    known = read_lines(files.held_out_register) if files.held_out_register.is_file() else ()
    salt = read_record(files.splits / "manifest.json", SplitReport).salt
    rows = map(kind.validate_python, known)
    return unspent(gate, rows, lineage=gate_split_id(task, salt), since=look.since)


def _unseen(rows: Sequence[Example], adapters: Iterable[AdapterManifest | None]) -> list[Example]:
    """The rows that none of the adapters was trained on; nothing else may judge them."""
    seen = {key for adapter in adapters if adapter for key in adapter.trained_on}
    unseen = [row for row in rows if seen.isdisjoint(row_hashes(row))]
    if not unseen:
        raise DataError(
            f"all {len(rows)} gate rows were trained on by one of the contenders",
            rule="no row that a contender was trained on judges it",
            remedy="add fresh rows; do not change `split.salt` of a task that has a champion",
        )
    return unseen


def _model(files: TaskFiles, folder: Path, adapters: Iterable[str]) -> PeftModel:
    """The base with the verified adapters on it."""
    places = {"candidate": files.adapter, "champion": files.champion / "adapter"}
    model: Any = dequantised(load_base(folder))
    for name in adapters:
        model = load_adapter(model, places[name], name=name)
    return model


def _timed(policy: Gate) -> bool:
    """Whether the gate asks for a row's seconds."""
    return "seconds" in {policy.metric, *policy.guards}


def _as_is(turns: Any) -> Any:
    return turns
