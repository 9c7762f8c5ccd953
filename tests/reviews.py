"""A candidate on the bench whose answers wait to be compared by people."""

from __future__ import annotations

import dataclasses
from typing import Any

from workbench import ROWS, TASK, Bench, held_out, manifest_of, write_splits

from pawl.commands.review import Reviewing
from pawl.core.files import digest_json, digest_text, lines_text, write_lines, write_text
from pawl.core.pairs import JUDGED, pairs_of
from pawl.core.records import (
    Champion,
    Choice,
    Contender,
    Cycle,
    EvalReport,
    Score,
    to_json,
    write_record,
)
from pawl.cycle.snapshots import snapshot_champion
from pawl.evaluate.judge import judged_pairs
from pawl.gate.run import gate
from pawl.ledger.looks import reserve_look

MINE, OTHER = "a warm answer", "a cold answer"


def judged_by_people(
    bench: Bench, seed: int, *, same: int = 0, count: int = 20, **policy: Any
) -> Champion:
    """Leave the adapter of `seed` judged as far as the stages can: all but what people say.

    The first `same` of the gate rows have the same answer of all contenders. A judge that the
    policy names is asked as the evaluation would ask it.
    """
    if count != 20:
        write_splits(
            bench.workspace,
            {n: held_out(n, of) for n, of in ROWS.items()} | {"gate": held_out("gate", count)},
        )
    bench.params(metric="preference", **policy)
    bench.train(seed)
    files = bench.workspace.files(TASK)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    look = reserve_look(bench.workspace, bench.store, TASK)
    rows = held_out("gate", count)
    write_lines(files.check / "rows.jsonl", map(to_json, rows))
    digest = manifest_of(files.adapter).digest
    said = {"candidate": MINE, "zero-shot": OTHER}
    said |= {"champion": OTHER} if champion.version is not None else {}
    scores = [
        Score(row.id, row.key, name, "gate", f"{OTHER if n < same else text} {n}", {})
        for name, text in said.items()
        for n, row in enumerate(rows)
    ]
    worn = {"candidate": digest, "champion": champion.digest}
    contenders = tuple(
        Contender(name, "gate", count, {"perplexity": 2.0}, None, None, adapter=worn.get(name))
        for name in said
    )
    text = lines_text(map(to_json, scores))
    report = EvalReport(
        TASK, "b" * 64, digest, champion, look, digest_json([row.id for row in rows]), 0,
        contenders, {}, digest_text(text),
    )  # fmt: skip
    if judge := bench.workspace.task(TASK).gate.judge:
        asked, opinions = judged_pairs(
            judge,
            (bench.workspace.root / judge.rubric).read_text(),
            pairs_of(report, scores),
            {row.id: row.messages for row in rows},
            cache=bench.workspace.answers,
        )
        report = dataclasses.replace(report, judge=asked)
        write_text(files.eval / JUDGED, opinions)
    write_text(files.eval / "rows.jsonl", text)
    write_record(files.eval / "report.json", report)
    gate(bench.workspace, TASK)
    return champion


def waiting_cycle(bench: Bench, seed: int = 1, **policy: Any) -> Cycle:
    judged_by_people(bench, seed, **policy)
    return bench.conclude(f"question {seed}")


def label(bench: Bench, *, wins: int = 20, ties: int = 0, of: int = 20) -> None:
    """Compare what is left: the candidate's answer is preferred `wins` times, then the other's."""
    reviewing, number = Reviewing(bench.workspace, TASK), 0
    while (pair := reviewing.next()) is not None:
        mine_left = pair.left.startswith(MINE)
        choice: Choice = "left" if mine_left == (number < wins) else "right"
        reviewing.say(pair.id, "tie" if number >= of - ties else choice)
        number += 1
