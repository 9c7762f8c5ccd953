"""`pawl predict TASK FILE.jsonl`: all of a file is answered, or what is wrong with it is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from callers import PROMPTS, Served

from pawl.commands.predict import predict
from pawl.commands.predict_file import answer_file, read_questions
from pawl.errors import DataError, UsageError


def write(path: Path, *lines: Any) -> Path:
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    path.write_bytes(b"\n".join(texts) + b"\n")
    return path


def test_the_answers_are_those_of_single_prompts_in_the_files_order(
    released: dict[str, Served], tmp_path: Path
) -> None:
    bench = released["tickets"]
    chats = [{"id": f"r{n}", "messages": [{"role": "user", "content": text}]}
             for n, text in enumerate(PROMPTS[:3])]  # fmt: skip
    file = write(tmp_path / "in.jsonl", *chats, *({"prompt": text} for text in PROMPTS[3:]))
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "pawl", "predict", "tickets", str(file), "--out", str(out)]
    done = subprocess.run(
        command, cwd=bench.workspace.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in out.read_text().splitlines()]
    right = predict(bench.workspace, bench.store, "tickets", PROMPTS, version=None)
    assert [one["answer"] for one in said] == [one.answer for one in right]
    assert [one["id"] for one in said] == ["r0", "r1", "r2", "4", "5", "6"]
    assert {one["model"] for one in said} == {"tickets-v1"}


def test_bad_lines_are_named_and_nothing_is_written(
    released: dict[str, Served], tmp_path: Path
) -> None:
    bench = released["tickets"]
    file = write(
        tmp_path / "in.jsonl",
        {"prompt": "ok"}, b"{", {"messages": []}, {"prompt": "a", "messages": []},
        {"id": True, "prompt": "a"}, {"prompt": "word " * 3000}, b'{"prompt": "a", "prompt": "b"}',
        {"messages": [{"role": "assistant", "content": "a"}]}, b"\xff", {"prompt": "  "},
    )  # fmt: skip
    with pytest.raises(DataError) as error:
        answer_file(bench.workspace, bench.store, "tickets", file, version=None)
    for line in range(2, 11):
        assert f"line {line}: " in error.value.found
    assert "line 1: " not in error.value.found


def test_a_file_that_is_not_there_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="is empty"):
        read_questions(tmp_path / "empty.jsonl")
