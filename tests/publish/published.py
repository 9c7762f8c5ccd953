"""Released versions with the dev answers that they were judged by, and targets in params.yaml."""

from __future__ import annotations

import dataclasses
from typing import Any

import yaml
from released_tasks import MOST, Served
from workbench import manifest_of

from pawl.config.judging import Evaluate
from pawl.core.files import digest_file, write_json, write_lines
from pawl.core.records import (
    BaseRef,
    Champion,
    Decision,
    Example,
    Look,
    Message,
    Score,
    Verdict,
    to_json,
    write_record,
)
from pawl.core.records.publish import Publication
from pawl.core.records.publish import Served as Seen
from pawl.evaluate.predict import predict
from pawl.model.base import find_base
from pawl.publish.publish import look, publish

QUESTIONS = (
    "Where is my parcel? The order is ORD-2023-41778.",
    "Copy this: AB-12345",
    "Write the city as JSON: Oslo, 1999.",
    "List the fruit: apple, pear, fig and plum.",
    "My invoice 5521 is wrong.",
    "The key of locker 17 is lost.",
    "I moved to 12 Elm Street.",
    "Please cancel order ORD-1.",
    "The lamp does not work.",
    "Thank you for the fast reply.",
)


class Published(Served):
    """A bench whose versions' evaluations have their dev answers, decoded as they are judged."""

    def train(self, seed: int) -> str:
        super().train(seed)
        files = self.workspace.files(self.task)
        rows = [
            Example(f"d{n}", f"key {n}", (Message("user", text),), "yes")
            for n, text in enumerate(QUESTIONS)
        ]
        base = find_base(BaseRef(self.base.model), self.workspace.root)
        said = predict(
            Evaluate(max_new_tokens=MOST), base, files.adapter, [row.messages for row in rows]
        )
        scores = [
            Score(row.id, row.key, "candidate", "dev", text, {"exact_match": 0.0})
            for row, text in zip(rows, said, strict=True)
        ]
        write_lines(files.check / "rows.jsonl", map(to_json, rows))
        write_json(files.eval / "report.json", {})
        write_lines(files.eval / "rows.jsonl", map(to_json, scores))
        return manifest_of(files.adapter).digest

    def judge(self, decision: Decision, champion: Champion, look: Look | None) -> Verdict:
        files = self.workspace.files(self.task)
        verdict = super().judge(decision, champion, look)
        rows = files.eval / "rows.jsonl"
        verdict = dataclasses.replace(verdict, parents={"eval/rows.jsonl": digest_file(rows)})
        write_record(files.verdict, verdict)
        return verdict

    def targets(self, *targets: dict[str, Any]) -> None:
        """Publish to these from now on."""
        params = yaml.safe_load(self.workspace.params_file.read_text(encoding="utf-8"))
        self.workspace.params_file.write_text(yaml.safe_dump(params | {"serve": [*targets]}))

    def publish(self) -> Publication:
        return publish(self.workspace, self.store, self.task)

    def look(self) -> tuple[Seen, ...]:
        return look(self.workspace, self.store, self.task)
