"""Any bytes in a data file end in rows or in an error message, within bounded memory."""

from __future__ import annotations

import bz2
import csv
import decimal
import gzip
import io
import json
import lzma
import math
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import pawl.data.read.lines
from pawl.core.jsonio import MAX_LINE
from pawl.data.read.examples import Rows, read_examples
from pawl.data.read.formats import FORMATS
from pawl.data.read.redaction import FORMAT_WORDS, redacted_excerpt
from pawl.errors import DataError

ROWS = [
    {"id": "a", "prompt": 'Grüße, "Ada"\nand Bo', "completion": '{"n": 1}', "n": "3"},
    {"id": "b", "prompt": "x,y;z", "completion": "  two\tblanks", "n": "4"},
]
CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def written(folder: Path, form: str, rows: list[dict[str, Any]]) -> Path:
    """A file with these rows, by the usual libraries."""
    path = folder / f"rows{form}"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if form == ".jsonl":
        path.write_bytes(lines)
    elif form == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif form == ".arrow":
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    elif "json" in form:
        whole = json.dumps({"data": rows}, indent=1, ensure_ascii=False).encode()
        path.write_bytes(packed(whole if form.split(".")[1] == "json" else lines, form))
    else:
        cells = io.StringIO(newline="")
        made = csv.DictWriter(cells, list(rows[0]), delimiter="\t" if "tsv" in form else ",")
        made.writeheader()
        made.writerows(rows)
        path.write_bytes(packed(cells.getvalue().encode(), form))
    return path


def packed(data: bytes, form: str) -> bytes:
    """The bytes, packed as the end of a file's name says."""
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard}
    return pack.get(f".{form.split('.')[-1]}", bytes)(data)


def zstandard(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


def read(path: Path, **options: Any) -> Rows:
    return read_examples(path, path.name, **options)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_rows_are_read_from_every_format(tmp_path: Path, form: str) -> None:
    examples = read(written(tmp_path, form, ROWS)).examples
    assert [e.id for e in examples] == ["a", "b"]
    assert [e.messages[0].content for e in examples] == [row["prompt"] for row in ROWS]
    assert [e.completion for e in examples] == [row["completion"] for row in ROWS]
    assert [e.fields for e in examples] == [{"n": "3"}, {"n": "4"}]


@pytest.mark.parametrize("form", FORMATS)
def test_chats_are_read_from_every_format(tmp_path: Path, form: str) -> None:
    turns: Any = json.dumps(CHAT) if "sv" in form else CHAT
    (example,) = read(written(tmp_path, form, [{"messages": turns}])).examples
    assert (example.messages[0].content, example.completion) == ("hi", "hello")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "a\x00b"}, "control character U+0000"),
        ({"prompt": "a\x1b[31m"}, "control character U+001B"),
        ({"prompt": "GrÃ¼ÃŸe aus MÃ¼nchen"}, "decoded wrongly"),
        ({"prompt": "Gr\ufffd\ufffde"}, "decoded wrongly"),
        ({"n": 2**60}, "beyond 2^53"),
        ({"n": 10**5000}, "beyond 2^53"),
        ({"n": "1e999"}, "not a finite number"),
        ({"completion": ""}, "not blank"),
        ({"id": "a\nb"}, "printable"),
        ({"id": "a" * 500}, "200 characters"),
        ({"prompt": 3}, "is a string"),
        ({"prompt": {"a": 1}}, "is a string"),
    ],
)
def test_text_that_no_model_should_learn_is_refused_with_its_reason(
    tmp_path: Path, row: dict[str, Any], says: str
) -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    line = json.dumps({"prompt": "p", "completion": "c"} | row).replace('"1e999"', "1e999")
    sys.set_int_max_str_digits(limit)
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=re.escape(says)):
        read(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"prompt,completion\np,c,d\n", "rows.csv:2: 3 cells where the header names 2 columns"),
        (b"prompt,reason\np,c\n", "found the columns prompt, reason"),
        (b"prompt,prompt,completion\n", "the same name, or none"),
        (b",,prompt,completion\n", "the same name, or none"),
        (b"prompt,completion\np,\xff\n", "rows.csv:2: 'completion' is not UTF-8"),
        (b'prompt,completion\n"p"x,c\n', "rows.csv:2: "),
        (b'prompt,completion\np,"c\n' + b"x\n" * MAX_LINE, "field larger than field limit"),
        (b"prompt,completion\np,c" + b',"x\n"' * (MAX_LINE // 5), "is a quote not closed?"),
        (b"prompt,completion\np," + b"x" * (MAX_LINE + 1), "rows.csv:2: "),
        (b"prompt,completion," + b",".join(b"%d" % n for n in range(999)), "1,001 columns"),
        (b'messages\n"[], ""x"": 1"\n', "rows.csv:2: not JSON: Extra data"),
        (b"prompt,completion\np,\x00\n", "rows.csv:2: 'completion' holds the control character"),
        (b"", "has no rows"),
    ],
)
def test_a_bad_csv_file_is_reported_with_its_line(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(text)
    with pytest.raises(DataError) as caught:
        read(path)
    assert says in caught.value.found


@pytest.mark.parametrize("form", [".jsonl.gz", ".parquet"])
def test_a_damaged_archive_is_reported_as_damaged(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, form, ROWS)
    whole = path.read_bytes()
    for data in (b"", b"no archive", whole[: len(whole) // 2], whole[:-4] + b"\xff\xff\xff\xff"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"cannot be read|has no rows"):
            read(path)


def test_a_name_with_an_unknown_suffix_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonk"
    path.write_text("{}")
    with pytest.raises(DataError) as caught:
        read(path)
    assert "'.json'" in caught.value.remedy


def test_bad_rows_are_left_out_and_counted_up_to_the_stated_share(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = [json.dumps({"prompt": f"p{i}", "completion": "c"}) for i in range(9)]
    path.write_text("\n".join([*good, '{"prompt": "s3cret-Password"', ""]))
    found = read(path, drop=0.1)
    assert (len(found.examples), found.bad) == (9, 1)
    assert found.messages[0].startswith("rows.jsonl:10: not JSON")
    for allowed in (0.0, 0.09):
        with pytest.raises(DataError, match="not JSON"):
            read(path, drop=allowed)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_an_excerpt_shows_no_word_and_no_number_of_the_data(data: bytes) -> None:
    shown = redacted_excerpt(data)
    assert shown.isascii()
    assert shown.isprintable()
    words = set(re.findall(r"[A-Za-z]+", shown))
    assert all(word in FORMAT_WORDS or set(word) == {"x"} for word in words)
    assert not re.search(r"[0-8]", shown)


@pytest.mark.parametrize("text", ["x" * 140_000, "x" * MAX_LINE])
def test_no_text_inside_the_quotes_of_a_bad_csv_row_is_a_row(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,completion\n" + "p,c\n" * 9 + f'p,"{text}\nevil,row\n"\n')
    with pytest.raises(DataError, match=r"rows\.csv:11: "):
        read(path, drop=0.5)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "circle"])
def test_what_is_no_regular_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(DataError, match=r"no regular file|symbolic links"):
        read(path)


def test_a_small_archive_of_blank_lines_ends_at_a_stated_number_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pawl.data.read.lines, "MAX_LINES", 1000)
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n" * 1001) + gzip.compress(b"\n" * 1001))
    with pytest.raises(DataError, match="has more than 1 GiB or 1,000 lines"):
        read(path, drop=1)


NO_TEXT = {
    "time beyond the calendar": pa.array([9 * 10**12]).cast(pa.timestamp("s")),
    "time zone that is none": pa.array([1]).cast(pa.timestamp("s", tz="No/Town")),
    "date": pa.array([2**30], pa.int32()).cast(pa.date32()),
    "duration": pa.array([2**62]).cast(pa.duration("s")),
    "decimal": pa.array([decimal.Decimal("1.5")]),
    "bytes": pa.array([b"\xff"]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "list": pa.array([[1]]),
}
ODD = {
    "integer": (pa.array([2**64 - 1], pa.uint64()), "beyond 2^53"),
    "no number": (pa.array([math.nan]), "NaN is not JSON"),
    "no UTF-8": (pa.array([b"\xff"]).view(pa.string()), "not UTF-8 at byte"),
    "long": (pa.array(["x" * MAX_LINE]), "more than 1,048,576 bytes"),
}


@pytest.mark.parametrize("kind", NO_TEXT)
def test_a_parquet_cell_that_is_no_text_is_no_field_and_is_told_as_not_shown(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.table({"prompt": ["p"], "completion": ["c"], "x": NO_TEXT[kind]})
    parquet.write_table(table, path)
    found = read(path)
    assert found.examples[0].fields == {}
    assert "key `x` is not shown to the model (1 row)" in found.notes


@pytest.mark.parametrize("kind", ODD)
def test_a_parquet_cell_of_an_unsupported_type_is_reported(tmp_path: Path, kind: str) -> None:
    column, says = ODD[kind]
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"prompt": ["p"], "completion": ["c"], "x": column}), path)
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.found.startswith("rows.parquet:1: ")
    assert says in caught.value.found


def test_a_parquet_decompression_bomb_ends_in_an_error_with_little_memory(tmp_path: Path) -> None:
    """One value of 64 MiB in a dictionary, named by every row: unpacked, 2 GiB in 32 rows."""
    path = tmp_path / "rows.parquet"
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 32, pa.int32()), ["x" * (64 << 20)])
    parquet.write_table(pa.table({"prompt": long, "completion": ["c"] * 32}), path)
    assert path.stat().st_size < 20 << 20
    found, peak = read_elsewhere(path)
    assert "it may take 1 GiB of memory" in found or "MemoryError" in found
    assert peak < 200_000


@pytest.mark.parametrize("form", [".jsonl", ".jsonl.gz", ".csv"])
def test_a_line_without_an_end_needs_no_memory_of_its_size(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"rows{form}"
    pack = form == ".jsonl.gz"
    with (
        path.open("wb") as plain,
        gzip.open(plain, "wb", 1) if pack else nullcontext(plain) as file,
    ):
        file.write(b'prompt,completion\np,"')
        for _ in range(300):
            file.write(b"x" * MAX_LINE)
    found, peak = read_elsewhere(path)
    assert "1,048,576" in found
    # Of 300 MiB in one line; the interpreter with its libraries has a third of that.
    assert peak < 200_000


def read_elsewhere(path: Path) -> tuple[str, int]:
    """The output of a fresh process that reads a file, and its peak memory in KiB."""
    code = (
        "import sys; from pathlib import Path; from pawl.data.read.examples import read_examples\n"
        "from pawl.errors import DataError\n"
        "try: read_examples(Path(sys.argv[1]), sys.argv[1])\n"
        "except DataError as error: print(error)\n"
        "print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert peak is not None
    return done.stdout, int(peak[1])
