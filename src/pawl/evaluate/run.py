"""One run in which every contender answers the same rows, with the base loaded once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from pawl.adapter import load_adapter, read_adapter
from pawl.base import dequantised, find_base, load_base, load_tokenizer
from pawl.budget import lineage, unspent
from pawl.errors import DataError
from pawl.evaluate.baselines import Baseline, baselines
from pawl.evaluate.decode import greedy
from pawl.evaluate.metrics import mean, summary
from pawl.evaluate.scorers import Scorer, scorers
from pawl.files import (
    digest_file,
    digest_json,
    read_lines,
    whole_folder,
    write_json,
    write_lines,
)
from pawl.params import Evaluate
from pawl.prompt import prompt_tokens
from pawl.question import look_question
from pawl.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    Contender,
    EvalReport,
    Example,
    KnownRow,
    Look,
    Score,
    SplitReport,
    read_record,
    read_rows,
    write_record,
)
from pawl.seal import seal_folder
from pawl.workspace import TaskFiles, Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Split = Literal["dev", "gate"]


@dataclasses.dataclass
class Bench:
    """The loaded base with its adapters, and what has been scored on it so far."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    policy: Evaluate
    scorers: dict[str, Scorer]
    contenders: list[Contender] = dataclasses.field(default_factory=list)
    scores: list[Score] = dataclasses.field(default_factory=list)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def score(
        self, baseline: Baseline, rows: Sequence[Example], split: Split, adapter: str | None = None
    ) -> None:
        """Have one contender answer `rows`; `adapter` names the loaded adapter that it uses."""
        prompts = [prompt_tokens(self.tokenizer, baseline.show(row.messages)) for row in rows]
        with self._wearing(adapter):
            done = greedy(
                self.model,
                self.tokenizer,
                prompts,
                max_new_tokens=self.policy.max_new_tokens,
                batch_size=self.policy.batch_size,
                label=f"{split}: {baseline.name}",
            )
        scored = [
            Score(
                row.id, row.key, baseline.name, split, answer.text, self._values(answer.text, row)
            )
            for row, answer in zip(rows, done.answers, strict=True)
        ]
        self.scores += scored
        self.seconds[f"{split}/{baseline.name}"] = done.seconds / len(rows)
        self.contenders.append(
            Contender(
                name=baseline.name,
                split=split,
                rows=len(rows),
                scores=summary(score.values for score in scored),
                prompt_tokens=mean([len(prompt) for prompt in prompts]),
                output_tokens=mean([answer.tokens for answer in done.answers]),
                adapter=adapter,
            )
        )

    def _values(self, output: str, row: Example) -> dict[str, float]:
        values = {name: scorer(output, row.completion) for name, scorer in self.scorers.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _wearing(self, adapter: str | None) -> AbstractContextManager[Any]:
        if adapter is None:
            context: AbstractContextManager[Any] = self.model.disable_adapter()
            return context
        self.model.set_adapter(adapter)
        return nullcontext()


def evaluate(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/eval/`: rows.jsonl (a `Score` a line), report.json, timing.json.

    Gate rows are scored only for a look that the flow reserved for exactly this candidate against
    exactly this champion; without one, or with another's, dev alone is scored.

    Raises:
        AdapterError: candidate or champion is damaged or sits on another base.
    """
    files, section = workspace.files(task), workspace.task(task)
    base = read_record(files.base, BaseInfo)
    champion = read_record(files.champion / "champion.json", Champion)
    look = read_look(files.look)
    if look and look.question != look_question(workspace, task, champion):
        look = None
    candidate = read_adapter(files.adapter, base=base.digest)
    dev, gate, train = (
        read_rows(files.splits / f"{name}.jsonl") for name in ("dev", "gate", "train")
    )
    reigning = _reigning(files, champion, base)
    judged = _unseen(_unspent(files, task, gate, look), (candidate, reigning)) if look else []
    folder = find_base(section.base, workspace.root)
    tokenizer = load_tokenizer(folder)
    schema = json.loads(files.schema.read_text(encoding="utf-8"))
    model = load_adapter(dequantised(load_base(folder)), files.adapter, name="candidate")
    bench = Bench(model, tokenizer, section.evaluate, scorers(schema))
    skipped: dict[str, str] = {}
    bench.score(Baseline("candidate", _as_is), dev, "dev", adapter="candidate")
    if look:
        bench.score(Baseline("candidate", _as_is), judged, "gate", adapter="candidate")
        if reigning is not None:
            load_adapter(model, files.champion / "adapter", name="champion")
            bench.score(Baseline("champion", _as_is), judged, "gate", adapter="champion")
        prompted, skipped = baselines(
            train,
            judged,
            instruction=files.prompt.read_text(encoding="utf-8"),
            shots=section.evaluate.shots,
            tokenizer=tokenizer,
            room=model.config.max_position_embeddings - section.evaluate.max_new_tokens,
        )
        for baseline in prompted:
            bench.score(baseline, judged, "gate")
    with whole_folder(files.eval) as out:
        write_lines(out / "rows.jsonl", map(dataclasses.asdict, bench.scores))
        write_json(out / "timing.json", {"seconds_per_row": bench.seconds})
        report = EvalReport(
            task=task,
            base=base.digest,
            candidate=candidate.digest,
            champion=champion,
            look=look,
            gate=digest_json([row.id for row in judged]) if look else None,
            excluded=len(gate) - len(judged) if look else 0,
            contenders=tuple(bench.contenders),
            skipped=skipped,
            scores=digest_file(out / "rows.jsonl"),
        )
        write_record(out / "report.json", report)
        if look and section.gate.disclosure == "sealed":
            seal_folder(out)


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
    kind = TypeAdapter(KnownRow)
    known = read_lines(files.known) if files.known.is_file() else ()
    salt = read_record(files.splits / "manifest.json", SplitReport).salt
    rows = map(kind.validate_python, known)
    return unspent(gate, rows, lineage=lineage(task, salt), since=look.since)


def _unseen(rows: Sequence[Example], adapters: Iterable[AdapterManifest | None]) -> list[Example]:
    """The rows that none of the adapters was trained on; nothing else may judge them."""
    seen = {key for adapter in adapters if adapter for key in adapter.trained_on}
    unseen = [row for row in rows if row.key not in seen]
    if not unseen:
        raise DataError(
            f"all {len(rows)} gate rows were trained on by one of the contenders",
            rule="no row that a contender was trained on judges it",
            remedy="add fresh rows; do not change `split.salt` of a task that has a champion",
        )
    return unseen


def _as_is(turns: Any) -> Any:
    return turns
