"""What writes a small file of a format: each function returns one that is given the path."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

Row = dict[str, Any]
COUNT = 4
FIND = {"name": "find", "parameters": {"type": "object"}}
TOOLS = ({"type": "function", "function": FIND},)
TOWNS = ("Oslo", "Lima", "Cairo", "Quito")


def lines(rows: list[Any], *, mark: bytes = b"") -> Callable[[Path], Any]:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return lambda path: path.write_bytes(mark + text.encode())


def whole(value: Any, *, indent: int | None = None) -> Callable[[Path], Any]:
    return lambda path: path.write_text(json.dumps(value, indent=indent), encoding="utf-8")


def packed(pack: Callable[[bytes], bytes], rows: list[Row]) -> Callable[[Path], Any]:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return lambda path: path.write_bytes(pack(data))


def table(
    rows: list[Row], *, delimiter: str = ",", mark: bytes = b"", encoding: str = "utf-8"
) -> Callable[[Path], Any]:
    cells = io.StringIO(newline="")
    made = csv.DictWriter(cells, list(rows[0]), delimiter=delimiter)
    made.writeheader()
    made.writerows(rows)
    return lambda path: path.write_bytes(mark + cells.getvalue().encode(encoding))


def arrow(rows: list[Row]) -> Callable[[Path], Any]:
    def write(path: Path) -> None:
        made = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(str(path), made.schema) as stream:
            stream.write_table(made)

    return write


def saved(rows: list[Row]) -> Callable[[Path], Any]:
    """A folder as `DatasetDict.save_to_disk` writes it."""

    def write(path: Path) -> None:
        for split, some in (("train", rows), ("test", rows[:1])):
            (path / split).mkdir(parents=True)
            arrow(some)(path / split / "data-00000-of-00001.arrow")
            state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": split}
            (path / split / "state.json").write_text(json.dumps(state), encoding="utf-8")
        (path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")

    return write


def chat(number: int, *before: Row, answers: int = 1, after: Row | None = None, **keys: Any) -> Row:
    """A chat of OpenAI's form; `keys` are of its last answer."""
    turns = list(before)
    for at in range(answers):
        turns.append({"role": "user", "content": f"Where is {TOWNS[(number + at) % COUNT]}?"})
        said = {"role": "assistant", "content": f"At {number + at}."}
        turns.append(said | keys if at == answers - 1 else said)
    return {"messages": [*turns, *([after] if after else [])]}


def chats(*before: Row, **options: Any) -> Callable[[Path], Any]:
    return lines([chat(number, *before, **options) for number in range(COUNT)])


def calling(
    *, content: str | None = None, result: bool = False, tools: Sequence[Row] = TOOLS
) -> Callable[[Path], Any]:
    """Chats that end in a call, or behind its result in an answer."""
    rows = []
    for number, town in enumerate(TOWNS):
        call = {"name": "find", "arguments": json.dumps({"town": town})}
        calls = [{"id": f"c{number}", "type": "function", "function": call}]
        turns: list[Row] = [{"role": "user", "content": f"Where is {town}?"}]
        turns.append({"role": "assistant", "content": content, "tool_calls": calls})
        if result:
            turns.append({"role": "tool", "tool_call_id": f"c{number}", "content": '{"at": 7}'})
            turns.append({"role": "assistant", "content": "At seven."})
        rows.append({"messages": turns, **({"tools": [*tools]} if tools else {})})
    return lines(rows)
