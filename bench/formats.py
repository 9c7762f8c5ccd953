"""The formats of the field: a small file of each, and what becomes of it.

    python bench/formats.py [--before FOLDER]

Prints the table of bench/README.md, which a test compares with it. `--before` names the `src` of an
earlier version, which reads the same files in a process of its own.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from pawl.commands.sources import Sources, named_columns, read_sources
from pawl.data.read.dataset_folder import one_file
from pawl.errors import PawlError

Row = dict[str, Any]
COUNT = 4
FIND = {"name": "find", "parameters": {"type": "object"}}
TOOLS = ({"type": "function", "function": FIND},)
TOWNS = ("Oslo", "Lima", "Cairo", "Quito")
READ_BEFORE = """
import sys
from pathlib import Path
from pawl.data.read.examples import read_examples
from pawl.errors import PawlError
try:
    rows = read_examples(Path(sys.argv[1]), Path(sys.argv[1]).name).examples
    print(repr([([(m.role, m.content) for m in row.messages], row.completion) for row in rows]))
except PawlError as error:
    print("refused:", " ".join(error.found.split()).replace(str(Path(sys.argv[1])), "")[:160])
"""


@dataclass(frozen=True)
class Format:
    """A kind of file: its name, what writes it to a path, and `--columns`, if it needs them.

    `before` is what became of it up to 71fe4fe, the commit before rows were read in these forms.
    """

    name: str
    file: str
    write: Callable[[Path], Any]
    before: str
    columns: str = ""


class Outcome(NamedTuple):
    """Whether a file is read, and what is said of it."""

    read: bool
    says: str


def outcome(form: Format, folder: Path) -> Outcome:
    """What `pawl new` makes of a file of the format."""
    path = folder / form.file
    form.write(path)
    try:
        with one_file(path) as (file, folder_notes):
            sources = Sources(file, columns=named_columns(form.columns))
            read, _ = read_sources(sources)
    except PawlError as error:
        first = error.found.splitlines()[0].replace(str(path), form.file)
        return Outcome(read=False, says=f"refused: {_shown(first.rpartition(' (')[0] or first)}")
    answers = sum(1 + len(row.taught) for row in read.examples)
    notes = [note.removesuffix(f" ({COUNT} rows)") for note in (*folder_notes, *read.notes)]
    said = "; ".join(note.split(" rows as ")[-1] for note in notes)
    return Outcome(read=True, says=f"{_shown(said)}; {answers} answers taught")


def formats() -> tuple[Format, ...]:
    """All formats, by kind."""
    asked = [f"Where is {town}?" for town in TOWNS]
    pairs = [{"prompt": q, "completion": t} for q, t in zip(asked, TOWNS, strict=True)]
    refused = "refused: no prompt and completion"
    return (
        Format("JSON lines, prompt and completion", "rows.jsonl", lines(pairs), "read"),
        Format("the same with a byte order mark", "bom.jsonl", lines(pairs, mark=b"\xef\xbb\xbf"),
               "refused: byte order mark"),
        Format("JSON array", "rows.json", whole(pairs), "refused: unknown format"),
        Format("`{\"data\": […]}`", "data.json", whole({"data": pairs}), "refused: unknown format"),
        Format("JSON array, named .jsonl, over many lines", "pretty.jsonl", whole(pairs, indent=1),
               "refused, an error a line"),
        Format(".jsonl.gz", "rows.jsonl.gz", packed(gzip.compress, pairs), "read"),
        Format(".jsonl.bz2", "rows.jsonl.bz2", packed(bz2.compress, pairs),
               "refused: unknown format"),
        Format(".jsonl.zst", "rows.jsonl.zst",
               packed(lambda data: pa.compress(data, codec="zstd", asbytes=True), pairs),
               "refused: unknown format"),
        Format("CSV", "rows.csv", table(pairs), "read"),
        Format("CSV of a spreadsheet: byte order mark, semicolons", "sheet.csv",
               table(pairs, delimiter=";", mark=b"\xef\xbb\xbf"), "refused: byte order mark"),
        Format("CSV of pandas: an index column without a name", "pandas.csv",
               table([{"": n, **row} for n, row in enumerate(pairs)]),
               "refused: a column without a name"),
        Format("TSV", "rows.tsv", table(pairs, delimiter="\t"), "refused: unknown format"),
        Format("CSV with heads in capitals and blanks", "heads.csv",
               table([{"Prompt ": r["prompt"], "Completion": r["completion"]} for r in pairs]),
               refused),
        Format("Windows-1252", "ansi.csv", table([r | {"completion": "Köln"} for r in pairs],
               encoding="cp1252"), "refused, an error a line"),
        Format("UTF-16", "utf16.csv", table(pairs, encoding="utf-16"), "refused, an error a line"),
        Format("Parquet", "rows.parquet",
               lambda path: parquet.write_table(pa.Table.from_pylist(pairs), path), "read"),
        Format("Arrow stream", "rows.arrow", arrow(pairs), "refused: unknown format"),
        Format("a folder of `save_to_disk` with two splits", "saved", saved(pairs),
               "refused: no file"),
        Format("Alpaca", "alpaca.json",
               whole([{"instruction": "Shout.", "input": t, "output": t.upper()} for t in TOWNS]),
               "refused: unknown format"),
        Format("Alpaca with `system` and `history`", "history.jsonl",
               lines([{"system": "Be brief.", "instruction": q, "input": "", "output": t,
                       "history": [["Hello", "Hello!"]]}
                      for q, t in zip(asked, TOWNS, strict=True)]), refused),
        Format("Dolly: instruction, context, response", "dolly.jsonl",
               lines([{"instruction": q, "context": "A map.", "response": t, "category": "qa"}
                      for q, t in zip(asked, TOWNS, strict=True)]), refused),
        Format("question and answer", "qa.jsonl",
               lines([{"question": q, "answer": t} for q, t in zip(asked, TOWNS, strict=True)]),
               refused),
        Format("text to SQL: question, schema, query", "sql.jsonl",
               lines([{"sql_prompt": q, "sql_context": "CREATE TABLE town (name TEXT)",
                       "sql": f"SELECT * FROM town WHERE name = '{t}'"}
                      for q, t in zip(asked, TOWNS, strict=True)]), refused),
        Format("banking intents: text and label", "intents.csv",
               table([{"text": f"my card from {t} is gone", "category": "lost_card"}
                      for t in TOWNS]), refused),
        Format("text and a number of a class", "classes.jsonl",
               lines([{"text": f"{t} is fine", "label": n % 2} for n, t in enumerate(TOWNS)]),
               refused),
        Format("numbers and booleans as completions, ids as numbers", "values.jsonl",
               lines([{"id": n, "prompt": q, "completion": [3, 0.5, True, False][n]}
                      for n, q in enumerate(asked)]), "refused: a completion that is no text"),
        Format("objects as completions", "objects.jsonl",
               lines([{"prompt": q, "completion": {"town": t, "found": True}}
                      for q, t in zip(asked, TOWNS, strict=True)]),
               "refused: a completion that is no text"),
        Format("nested further keys", "nested.jsonl",
               lines([r | {"metadata": {"from": "desk"}, "tags": ["a"]} for r in pairs]),
               "refused: a key that is no text"),
        Format("columns with names of one's own, `--columns`", "own.csv",
               table([{"frage": q, "antwort": t} for q, t in zip(asked, TOWNS, strict=True)]),
               refused, columns="prompt=frage,completion=antwort"),
        Format("the same without `--columns`", "own.csv",
               table([{"frage": q, "antwort": t} for q, t in zip(asked, TOWNS, strict=True)]),
               refused),
        Format("several languages", "languages.jsonl",
               lines([{"prompt": q, "completion": a} for q, a in (
                   ("Where is Oslo?", "In Norway."), ("Wo liegt Köln?", "In Deutschland."),
                   ("東京はどこですか。", "日本です。"), ("Где Омск?", "В Сибири."))]), "read"),
        Format("OpenAI chat", "chat.jsonl", chats(), "read"),
        Format("OpenAI chat with a developer turn", "developer.jsonl",
               chats({"role": "developer", "content": "Be brief."}),
               "refused: an unknown role, not named"),
        Format("chat with content in parts", "parts.jsonl",
               lines([{"messages": [{"role": "user", "content": [{"type": "text", "text": q}]},
                                    {"role": "assistant", "content": t}]}
                      for q, t in zip(asked, TOWNS, strict=True)]),
               "refused: a content that is no text"),
        Format("chat of several turns", "turns.jsonl", chats(answers=3),
               "**taught in part: 4 of 12 answers**"),
        Format("chat whose last answer has `weight` 0", "weights.jsonl", chats(answers=2, weight=0),
               "**taught all the same**"),
        Format("chat whose last answer has `train` false (Axolotl)", "train.jsonl",
               chats(answers=2, train=False), "**taught all the same**"),
        Format("chat whose last turn is the user's", "ends.jsonl",
               chats(after={"role": "user", "content": "Thanks."}), "refused: its last turn"),
        Format("chat with `reasoning_content`", "thoughts.jsonl",
               chats(reasoning_content="It is up north."),
               "**read, the reasoning dropped without a word**"),
        Format("a list of turns a line", "bare.jsonl",
               lines([chat(n)["messages"] for n in range(COUNT)]), "refused: no object"),
        Format("ShareGPT: conversations, from, value", "sharegpt.json",
               whole([{"conversations": [{"from": "human", "value": q},
                                         {"from": "gpt", "value": t}]}
                      for q, t in zip(asked, TOWNS, strict=True)]), "refused: unknown format"),
        Format("TRL: prompt and completion as lists of messages", "trl.jsonl",
               lines([{"prompt": [{"role": "user", "content": q}],
                       "completion": [{"role": "assistant", "content": t}]}
                      for q, t in zip(asked, TOWNS, strict=True)]),
               "refused: a prompt that is no text"),
        Format("OpenAI chat with tools and calls", "tools.jsonl", calling(),
               "refused: a content that is blank"),
        Format("calls beside a text", "beside.jsonl", calling(content="I see to it.", tools=()),
               "**read, calls dropped without a word**"),
        Format("calls, results, a last answer", "results.jsonl", calling(result=True),
               "refused: a content that is blank"),
        Format("ShareGPT with function_call and observation, tools as a text", "glaive.json",
               whole([{"conversations": [
                   {"from": "human", "value": q},
                   {"from": "function_call",
                    "value": json.dumps({"name": "find", "arguments": {"town": t}})},
                   {"from": "observation", "value": "{\"at\": 7}"},
                   {"from": "gpt", "value": "At seven."}],
                   "tools": json.dumps([FIND])}
                   for q, t in zip(asked, TOWNS, strict=True)]), "refused: unknown format"),
        Format("prompt and completion beside `system`", "system.jsonl",
               lines([{"system": "Answer like a pirate.", **row} for row in pairs]),
               "**read, `system` taken for a slice**"),
        Format("legacy OpenAI: separators, ` END`", "legacy.jsonl",
               lines([{"prompt": f"{q}\n\n###\n\n", "completion": f" {t} END"}
                      for q, t in zip(asked, TOWNS, strict=True)]), "read; blanks told"),
        Format("pictures", "pictures.jsonl", lines([{"images": "a.png", **row} for row in pairs]),
               "**read, the picture dropped without a word**"),
        Format("DPO: chosen and rejected", "dpo.jsonl",
               lines([{"prompt": q, "chosen": t, "rejected": "No."}
                      for q, t in zip(asked, TOWNS, strict=True)]), refused),
        Format("a text alone", "text.jsonl", lines([{"text": f"{t} is a town."} for t in TOWNS]),
               refused),
        Format("a spreadsheet, .xlsx", "rows.xlsx", lambda path: path.write_bytes(b"PK\x03\x04"),
               "refused, says how to save it"),
    )  # fmt: skip


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


def printed() -> str:
    """The table of bench/README.md."""
    rows = ["| file | before | now |", "|---|---|---|"]
    for form in formats():
        with tempfile.TemporaryDirectory() as folder:
            rows.append(f"| {form.name} | {form.before} | {outcome(form, Path(folder)).says} |")
    return "\n".join(rows)


def _shown(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="`src` of an earlier version")
    given = parser.parse_args()
    if given.before is None:
        print(printed())
        return
    for form in formats():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / form.file
            form.write(path)
            done = subprocess.run(
                [sys.executable, "-c", READ_BEFORE, str(path)],
                env={"PYTHONPATH": str(given.before)}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            print(f"{form.name}: {done.stdout.strip()[:400] or done.stderr.strip()[-200:]}")


if __name__ == "__main__":
    main()
