"""Data files that were good and are no longer: rows, lines and whole files damaged by a seed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import pyarrow as pa
from pyarrow import parquet

FORMS = (".jsonl", ".jsonl.gz", ".csv", ".parquet")
KEYS = ("prompt", "completion", "id", "messages", "n", "role", "", " ", "a\x00", "ключ", "k" * 250)
# Values as JSON has them, or nearly.
ODD = (
    "NaN", "-Infinity", "1e999", "1" * 400, "9007199254740992", "-0", "1." + "1" * 500, "null",
    "true", '""', '" \\t"', "[]", "{}", "[" * 150 + "]" * 150, "[" * 99 + "]" * 99, "[" * 5000,
    '{"a":' * 120 + "1" + "}" * 120, '"\\ud800"', '"\\udcff\\ud83d"', '"\\u0000"', '"\\u001b[31m"',
    '"GrÃ¼ÃŸe aus MÃ¼nchen"', '"\ufeffx"', '"a' + "\u0300\u0316" * 40 + '"', '"\u2028\u2029\x85"',
    '"\ufffd"', '"open', "bare", '"\\x"', '"' + "x" * 3000 + '"', '"\U0001f468\u200d\U0001f469"',
    '"\u202ereversed"', '[{"role": "user", "content": "p"}]', '[{"role": [], "content": {}}]',
    '[{"role": "user", "content": "p"}, {"role": "assistant", "content": "c"}]',
    '[{"role": "bot"}]', "[1, [2]]", "[null]", '{"a": 1, "a": 2}', '"AKIAIOSFODNN7EXAMPLE"', "01",
    "1_000", "0x1f", "'x'",
)  # fmt: skip
BITS = (
    b"\xff", b"\x00", b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b'"', b'""',
    b",", b"\\", b"{", b"}" * 3, b"[" * 200, b"," * 1200, b"\xcc\x80\xcc\x96" * 40, b"\x1f\x8b",
    b"\xe2\x80\xa8", b"PAR1", b"\xf4\x90\x80\x80", b"\x7f\xff\xff\xff",
)  # fmt: skip
COLUMNS: tuple[Callable[[int], Any], ...] = (
    lambda n: pa.array([9 * 10**12] * n).cast(pa.timestamp("s")),
    lambda n: pa.array([1] * n).cast(pa.timestamp("us", tz="No/Town")),
    lambda n: pa.array([2**30] * n, pa.int32()).cast(pa.date32()),
    lambda n: pa.array([b"\xff"] * n),
    lambda n: pa.array([b"a\xff"] * n).view(pa.string()),
    lambda n: pa.array([float("nan")] * n),
    lambda n: pa.array([2**64 - 1] * n, pa.uint64()),
    lambda n: pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())),
    lambda n: pa.array([[None] * 500] * n, pa.list_(pa.null())),
    lambda n: pa.array([{"a": [{"b": "c"}]}] * n),
    lambda n: pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), ["x" * 9000]),
    lambda n: pa.nulls(n),
    lambda n: pa.array([[{"role": "user", "content": "p"}]] * n),
    lambda n: pa.array([True] * n),
    lambda n: pa.array([1.5] * n, pa.float16()),
)
Row = list[tuple[str, str]]


def hostile_file(form: str, damages: Sequence[str], seed: int) -> bytes:
    """The bytes of a file of a format, good but for the damages named.

    Args:
        form: one of FORMS.
        damages: names out of DAMAGES, done in this order.
        seed: decides the rows and where each damage falls; the same seed, the same bytes.
    """
    random = Random(seed)
    rows = [_row(random, number) for number in range(random.randrange(1, 8))]
    for name in damages:
        if name in ROWS:
            ROWS[name](rows, random)
    data = _written(form, rows, random, odd="column" in damages)
    for name in damages:
        if name in BYTES:
            data = BYTES[name](data, random)
    return data


def _row(random: Random, number: int) -> Row:
    if random.random() < 0.3:
        turns = [("user", f"Where is {number}?"), ("assistant", "here")] * random.randrange(1, 3)
        chat = [{"role": role, "content": content} for role, content in turns]
        return [("messages", json.dumps(chat))]
    row = [("prompt", json.dumps(f"Grüße, what is {number}?")), ("completion", '"{\\"a\\": 1}"')]
    further = [("id", f'"r{number}"'), ("n", str(number)), ("who", '"Ada"')]
    return row + random.sample(further, random.randrange(4))


def _value(rows: list[Row], random: Random) -> None:
    row = random.choice(rows)
    if row:
        at = random.randrange(len(row))
        row[at] = (row[at][0], random.choice(ODD))


def _key(rows: list[Row], random: Random) -> None:
    row = random.choice(rows)
    row.insert(random.randrange(len(row) + 1), (random.choice(KEYS), random.choice(ODD)))


def _lost(rows: list[Row], random: Random) -> None:
    row = random.choice(rows)
    if row:
        row.pop(random.randrange(len(row)))


def _twice(rows: list[Row], random: Random) -> None:
    rows.insert(random.randrange(len(rows) + 1), list(random.choice(rows)))


def _wide(rows: list[Row], random: Random) -> None:
    random.choice(rows).extend((f"k{n}", "1") for n in range(random.choice((20, 20, 20, 1200))))


def _written(form: str, rows: list[Row], random: Random, *, odd: bool) -> bytes:
    if form == ".parquet":
        return _parquet(rows, random, odd=odd)
    if form == ".csv":
        return _csv(rows)
    text = "".join(
        "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in row) + "}\n" for row in rows
    )
    data = text.encode("utf-8", "surrogatepass")
    return gzip.compress(data, 1) if form == ".jsonl.gz" else data


def _csv(rows: list[Row]) -> bytes:
    names = list(dict.fromkeys(key for row in rows for key, _ in row))
    text = io.StringIO(newline="")
    made = csv.writer(text)
    made.writerow(names)
    for row in rows:
        cells = dict(row)
        made.writerow([_plain(cells.get(name, ""), name) for name in names])
    return text.getvalue().encode("utf-8", "surrogatepass")


def _plain(value: str, name: str) -> str:
    return value[1:-1] if value.startswith('"') and name != "messages" else value


def _parquet(rows: list[Row], random: Random, *, odd: bool) -> bytes:
    names = list(dict.fromkeys(key for row in rows for key, _ in row))
    cells = [dict(row) for row in rows]
    columns = {name: _column([_loaded(row.get(name, "null")) for row in cells]) for name in names}
    if odd:
        columns[random.choice([*names, "odd"])] = random.choice(COLUMNS)(len(rows))
    options = {
        "compression": random.choice(("none", "snappy", "gzip", "zstd", "brotli", "lz4")),
        "use_dictionary": random.random() < 0.5,
        "data_page_version": random.choice(("1.0", "2.0")),
        "row_group_size": random.choice((1, 3, 100)),
        "store_schema": random.random() < 0.5,
    }
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def _column(values: list[Any]) -> Any:
    """The values, as their text where Arrow or Parquet has no type for them."""
    with suppress(pa.ArrowException, ValueError, TypeError, OverflowError):
        made = pa.array(values)
        if "struct<>" not in str(made.type):
            return made
    return pa.array([ascii(value) for value in values])


def _loaded(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _flip(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data)) if data else 0
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _flip_last(data: bytes, random: Random) -> bytes:
    # Where a Parquet file says what it holds.
    at = max(0, len(data) - random.randrange(1, 400))
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _drop(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.randrange(1, 40) :]


def _insert(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(BITS) + data[at:]


def _lead(data: bytes, random: Random) -> bytes:
    return random.choice(BITS) + data


def _again(data: bytes, random: Random) -> bytes:
    return data + data[: random.choice((len(data), len(data) // 2))]


def _blank(data: bytes, random: Random) -> bytes:
    return data + random.choice((b"\n", b"\x00", b" \r\n")) * random.choice((1, 300))


def _pack(data: bytes, random: Random) -> bytes:
    return gzip.compress(data, 1) + random.choice((b"", b"\x00" * 20, b"tail"))


def _unpack(data: bytes, _: Random) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return data[::-1]


def _long(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice((b"x", b'"', b"[", b"\n", b",")) * (1 << 20) + data[at:]


ROWS: dict[str, Callable[[list[Row], Random], None]] = {
    "value": _value, "key": _key, "lost": _lost, "twice": _twice, "wide": _wide,
}  # fmt: skip
BYTES: dict[str, Callable[[bytes, Random], bytes]] = {
    "flip": _flip, "flip last": _flip_last, "cut": _cut, "drop": _drop, "insert": _insert,
    "lead": _lead, "again": _again, "blank": _blank, "pack": _pack, "unpack": _unpack,
}  # fmt: skip
# Damages by how often they are drawn; `long` makes a file of more than 1 MiB and is drawn apart.
DAMAGES = (*ROWS, "value", "value", "key", "column", *BYTES)
BYTES["long"] = _long
