"""A tune that is being lost is a contender: by its server as it was tuned, or by kept answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import says, server
from test_endpoint import ROWS, board

from pawl.config.judging import Endpoint, Evaluate
from pawl.config.load import parse_params
from pawl.config.schema import Task, as_json
from pawl.data.read.examples import read_examples
from pawl.data.read.kept_answers import read_kept_answers
from pawl.errors import DataError, ParamsError
from pawl.evaluate.other_contenders import score_endpoints, score_kept
from pawl.workspace.fingerprints import scoring_inputs
from pawl.workspace.paths import Workspace


def chat(question: str, answer: str) -> str:
    """A line of OpenAI's format for fine-tuning, as it is uploaded there."""
    turns = [("system", "Route the message."), ("user", question), ("assistant", answer)]
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})


def section(*, evaluate: str = "{answers: {old-tune: data/old.jsonl}}", gate: str = "{}") -> Task:
    text = (
        "tasks: {t: {data: data/chats.jsonl, base: {model: b}, check: {}, split: {salt: s}, "
        f"train: {{}}, evaluate: {evaluate}, gate: {gate}}}}}\n"
    )
    return parse_params(text, "params.yaml").task("t")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "data").mkdir()
    questions = [f"Where is parcel {n}?" for n in range(12)]
    rows, old = ([chat(text, f"{who} {text}") for text in questions] for who in ("data", "old"))
    (tmp_path / "data" / "chats.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "data" / "old.jsonl").write_text("\n".join(reversed(old)) + "\n")
    return Workspace(tmp_path)


def test_kept_answers_are_rows_in_the_form_of_the_data_and_meet_them_by_their_prompts(
    workspace: Workspace,
) -> None:
    kept = read_kept_answers(workspace, section())
    path = workspace.root / "data" / "chats.jsonl"
    rows = read_examples(path, "data/chats.jsonl").examples
    found = board()
    assert score_kept(found, kept, rows) == {}
    [only] = found.contenders
    assert only.elsewhere == "answers that were kept"
    assert [score.output for score in found.scores] == [
        row.completion.replace("data", "old", 1) for row in rows
    ]
    # Nobody measured how long it took.
    assert not found.seconds


def test_a_contender_without_an_answer_to_a_row_is_not_scored_at_all(workspace: Workspace) -> None:
    kept = read_kept_answers(workspace, section())
    rows = read_examples(workspace.root / "data" / "chats.jsonl", "chats.jsonl").examples
    kept["old-tune"].pop(rows[3].key)
    found = board()
    told = score_kept(found, kept, rows)
    assert told == {"old-tune": "1 of 12 gate rows have no answer that was kept of it"}
    assert not found.scores


def test_two_answers_to_a_prompt_and_a_file_that_is_gone_are_refused(workspace: Workspace) -> None:
    file = workspace.root / "data" / "old.jsonl"
    file.write_text(file.read_text() + chat("Where is parcel 3?", "another") + "\n")
    with pytest.raises(DataError, match="two answers"):
        read_kept_answers(workspace, section())
    file.unlink()
    with pytest.raises(DataError, match="not there"):
        read_kept_answers(workspace, section())


def test_other_kept_answers_are_another_question_to_the_gate(workspace: Workspace) -> None:
    policy = section()
    before = scoring_inputs(policy, workspace.root)["answers"]
    file = workspace.root / "data" / "old.jsonl"
    file.write_text(file.read_text().replace("old Where", "new Where", 1))
    assert scoring_inputs(policy, workspace.root)["answers"] != before
    assert "answers" not in scoring_inputs(section(evaluate="{}"), workspace.root)


def test_a_bare_endpoint_is_asked_as_it_was_tuned(tokenizer: Any) -> None:
    with server(lambda *_: says("yes")) as (url, requests):
        both = {"prompted": Endpoint(url, "m"), "old-tune": Endpoint(url, "ft:m", bare=True)}
        score_endpoints(
            board(), Evaluate(endpoints=both), ROWS, instruction="Be brief.", tokenizer=tokenizer
        )
    for one in requests:
        roles = [turn["role"] for turn in one["body"]["messages"]]
        assert ("system" in roles) == (one["body"]["model"] == "m")
    # So that a task of before, which names no such key, is no other question now.
    assert "bare" not in as_json(both["prompted"])


@pytest.mark.parametrize(
    ("evaluate", "gate", "told"),
    [
        ("{answers: {old-tune: a}}", "{matches: {old-tone: 0.1}}", "no such contender"),
        ("{answers: {old-tune: a}}", "{matches: {old-tune: 3}}", "forbids nothing"),
        ("{answers: {old-tune: a}}", "{matches: {old-tune: -1}}", "greater"),
        ("{answers: {base: a}}", "{}", "is taken"),
        ("{answers: {old-tune: a}}", "{metric: preference, matches: {old-tune: 0.1}}", "compare"),
    ],
)
def test_a_match_with_nobody_is_refused(evaluate: str, gate: str, told: str) -> None:
    with pytest.raises(ParamsError, match=told):
        section(evaluate=evaluate, gate=gate)
