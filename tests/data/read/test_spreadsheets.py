"""Files as spreadsheets, pandas, `datasets` and other trainers write them are read as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pawl.data.read.dataset_folder import one_file
from pawl.data.read.examples import Rows, read_examples
from pawl.errors import DataError

ROWS = [{"prompt": f"how is shop {n}?", "completion": "open"} for n in range(5)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
TABLE = "prompt,completion\n" + "".join(f"{r['prompt']},{r['completion']}\n" for r in ROWS)


def read(folder: Path, name: str, data: str | bytes) -> Rows:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_examples(path, name)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bom.csv", b"\xef\xbb\xbf" + TABLE.encode()),
        ("bom.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
        ("bom.json", b"\xef\xbb\xbf" + json.dumps(ROWS).encode()),
        ("semicolon.csv", TABLE.replace(",", ";")),
        ("crlf.csv", TABLE.replace("\n", "\r\n")),
        ("tab.csv", TABLE.replace(",", "\t")),
        ("tab.tsv", TABLE.replace(",", "\t")),
        ("index.csv", "\n".join(f"{n - 1 if n else ''},{line}"
                                for n, line in enumerate(TABLE.splitlines()))),
        ("index2.csv", "\n".join(f"{n - 1 if n else 'Unnamed: 0'},{line}"
                                 for n, line in enumerate(TABLE.splitlines()))),
        ("upper.CSV", TABLE.replace("prompt", "Prompt").replace("completion", " Completion")),
        ("array.json", json.dumps(ROWS)),
        ("pretty.json", json.dumps(ROWS, indent=2)),
        ("pretty.jsonl", json.dumps(ROWS, indent=1)),
        ("one_line.jsonl", json.dumps(ROWS)),
        ("wrapped.json", json.dumps({"data": ROWS})),
        ("wrapped.jsonl", json.dumps({"version": 1, "tags": [1, 2], "rows": ROWS, "n": 3})),
        ("objects.jsonl", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("lines.json", LINES),
        ("blank_first.json", "\n\n" + json.dumps(ROWS, indent=2)),
    ],
)  # fmt: skip
def test_a_file_as_people_have_it_is_read_whole(
    tmp_path: Path, name: str, data: str | bytes
) -> None:
    found = read(tmp_path, name, data)
    assert [e.messages[0].content for e in found.examples] == [row["prompt"] for row in ROWS]
    assert {e.completion for e in found.examples} == {"open"}
    assert all(not e.fields for e in found.examples)


def test_rows_of_an_array_are_read_past_a_bad_one_and_not_past_what_is_no_json(
    tmp_path: Path,
) -> None:
    bad = [*ROWS[:2], {"prompt": "x", "completion": ""}, *ROWS[2:]]
    with pytest.raises(DataError, match=r"rows\.json:3: 'completion' is a string"):
        read(tmp_path, "rows.json", json.dumps(bad))
    with pytest.raises(DataError, match="several lists of rows"):
        read(tmp_path, "rows.json", json.dumps({"train": ROWS, "test": ROWS}))
    for broken in ('[{"prompt": "a", "completion": "b"}, oops]', '[{"prompt": "a"', "[] more"):
        with pytest.raises(DataError, match=r"rows\.json"):
            read(tmp_path, "rows.json", broken)


def test_an_array_of_many_megabytes_is_read_row_by_row(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} " + "x" * 9000, "completion": "ä"} for n in range(500)]
    found = read(tmp_path, "rows.json", json.dumps(rows, indent=1, ensure_ascii=False))
    assert [e.messages[0].content[:4].split()[0] for e in found.examples] == [
        str(n) for n in range(500)
    ]


@pytest.mark.parametrize("form", ["stream", "file"])
def test_arrow_files_are_read_as_datasets_writes_them(tmp_path: Path, form: str) -> None:
    table = pa.Table.from_pylist(ROWS)
    path = tmp_path / "data-00000-of-00001.arrow"
    make = pa.ipc.new_stream if form == "stream" else pa.ipc.new_file
    with make(str(path), table.schema) as out:
        out.write_table(table)
    assert len(read_examples(path, path.name).examples) == 5


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("rows.csv", TABLE.encode("utf-16"), "is UTF-16"),
        ("rows.jsonl", LINES.encode("utf-16-le"), "is UTF-16"),
        ("rows.json", json.dumps(ROWS).encode("utf-16-be"), "is UTF-16"),
        ("rows.csv", TABLE.replace("shop", "café").encode("cp1252"), "Windows-1252"),
        ("rows.jsonl", LINES.replace("shop", "café").encode("cp1252"), "Windows-1252"),
        ("rows.json", json.dumps(ROWS).replace("shop", "café").encode("cp1252"), "Windows-1252"),
    ],
)
def test_another_encoding_is_named_once_with_what_mends_it(
    tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, name, data)
    assert says in caught.value.found
    assert "\n" not in caught.value.found
    assert "iconv -f" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("rows.xlsx", "CSV"), ("rows.zip", "unpack"), ("rows.txt", "JSON line"), ("rows", "known:")],
)
def test_a_format_that_is_not_read_says_what_to_do(tmp_path: Path, name: str, remedy: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, name, "x")
    assert remedy in str(caught.value.remedy)


def arrow(path: Path, rows: list[dict[str, str]]) -> None:
    table = pa.Table.from_pylist(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_stream(str(path), table.schema) as out:
        out.write_table(table)


@pytest.mark.parametrize("form", ["dict", "one", "hub"])
def test_a_folder_of_datasets_is_one_file_of_its_train_rows(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "set"
    train = folder / "train" if form == "dict" else folder
    if form == "hub":
        from pyarrow import parquet

        (folder / "data").mkdir(parents=True)
        for n, rows in enumerate((ROWS[:2], ROWS[2:])):
            name = f"train-0000{n}-of-00002.parquet"
            parquet.write_table(pa.Table.from_pylist(rows), folder / "data" / name)
        parquet.write_table(pa.Table.from_pylist(ROWS), folder / "data" / "test-00000.parquet")
    else:
        names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
        arrow(train / names[0], ROWS[:2])
        arrow(train / names[1], ROWS[2:])
        state = {"_data_files": [{"filename": name} for name in names]}
        (train / "state.json").write_text(json.dumps(state))
    if form == "dict":
        (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with one_file(folder) as (path, notes):
        found = read_examples(path, path.name)
    assert [e.messages[0].content for e in found.examples] == [row["prompt"] for row in ROWS]
    assert any("not used" in note for note in notes) == (form != "one")


def test_a_folder_of_tables_is_read_and_parts_of_a_set_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text('question,answer\nlate?,yes\n"here,\nnow?",no\n')
    with one_file(tmp_path) as (path, _):
        found = read_examples(path, path.name)
    assert [e.messages[0].content for e in found.examples] == ["late?", "here,\nnow?"]
    for part in ("en", "de"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "train.csv").write_text("question,answer\nlate?,yes\n")
    with pytest.raises(DataError, match=r"several folders: \., de, en"), one_file(tmp_path):
        pass


def test_a_folder_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"), one_file(tmp_path):
        pass
