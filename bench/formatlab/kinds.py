"""The formats of the field, by kind, each with what became of it before rows were read in them."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from formatlab.writers import (
    COUNT,
    FIND,
    TOWNS,
    arrow,
    calling,
    chat,
    chats,
    lines,
    packed,
    saved,
    table,
    whole,
)  # fmt: skip


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


ASKED = [f"Where is {town}?" for town in TOWNS]
PAIRED = [*zip(ASKED, TOWNS, strict=True)]
ROWS = [{"prompt": asked, "completion": town} for asked, town in PAIRED]
MARK = b"\xef\xbb\xbf"
NO_PAIR = "refused: no prompt and completion"
NO_TEXT = "refused: a content that is no text"
UNKNOWN = "refused: unknown format"

FILES = (
    Format("JSON lines, prompt and completion", "rows.jsonl", lines(ROWS), "read"),
    Format("the same with a byte order mark", "bom.jsonl", lines(ROWS, mark=MARK),
           "refused: byte order mark"),
    Format("JSON array", "rows.json", whole(ROWS), UNKNOWN),
    Format("`{\"data\": […]}`", "data.json", whole({"data": ROWS}), UNKNOWN),
    Format("JSON array, named .jsonl, over many lines", "pretty.jsonl", whole(ROWS, indent=1),
           "refused, an error a line"),
    Format(".jsonl.gz", "rows.jsonl.gz", packed(gzip.compress, ROWS), "read"),
    Format(".jsonl.bz2", "rows.jsonl.bz2", packed(bz2.compress, ROWS),
           UNKNOWN),
    Format(".jsonl.zst", "rows.jsonl.zst",
           packed(lambda data: pa.compress(data, codec="zstd", asbytes=True), ROWS),
           UNKNOWN),
    Format("CSV", "rows.csv", table(ROWS), "read"),
    Format("CSV of a spreadsheet: byte order mark, semicolons", "sheet.csv",
           table(ROWS, delimiter=";", mark=MARK), "refused: byte order mark"),
    Format("CSV of pandas: an index column without a name", "pandas.csv",
           table([{"": n, **row} for n, row in enumerate(ROWS)]),
           "refused: a column without a name"),
    Format("TSV", "rows.tsv", table(ROWS, delimiter="\t"), UNKNOWN),
    Format("CSV with heads in capitals and blanks", "heads.csv",
           table([{"Prompt ": r["prompt"], "Completion": r["completion"]} for r in ROWS]),
           NO_PAIR),
    Format("Windows-1252", "ansi.csv", table([r | {"completion": "Köln"} for r in ROWS],
           encoding="cp1252"), "refused, an error a line"),
    Format("UTF-16", "utf16.csv", table(ROWS, encoding="utf-16"), "refused, an error a line"),
    Format("Parquet", "rows.parquet",
           lambda path: parquet.write_table(pa.Table.from_pylist(ROWS), path), "read"),
    Format("Arrow stream", "rows.arrow", arrow(ROWS), UNKNOWN),
    Format("a folder of `save_to_disk` with two splits", "saved", saved(ROWS),
           "refused: no file"),
)  # fmt: skip
PAIRS = (
    Format("Alpaca", "alpaca.json",
           whole([{"instruction": "Shout.", "input": t, "output": t.upper()} for t in TOWNS]),
           UNKNOWN),
    Format("Alpaca with `system` and `history`", "history.jsonl",
           lines([{"system": "Be brief.", "instruction": q, "input": "", "output": t,
                   "history": [["Hello", "Hello!"]]}
                  for q, t in PAIRED]), NO_PAIR),
    Format("Dolly: instruction, context, response", "dolly.jsonl",
           lines([{"instruction": q, "context": "A map.", "response": t, "category": "qa"}
                  for q, t in PAIRED]), NO_PAIR),
    Format("question and answer", "qa.jsonl",
           lines([{"question": q, "answer": t} for q, t in PAIRED]),
           NO_PAIR),
    Format("text to SQL: question, schema, query", "sql.jsonl",
           lines([{"sql_prompt": q, "sql_context": "CREATE TABLE town (name TEXT)",
                   "sql": f"SELECT * FROM town WHERE name = '{t}'"}
                  for q, t in PAIRED]), NO_PAIR),
    Format("banking intents: text and label", "intents.csv",
           table([{"text": f"my card from {t} is gone", "category": "lost_card"}
                  for t in TOWNS]), NO_PAIR),
    Format("text and a number of a class", "classes.jsonl",
           lines([{"text": f"{t} is fine", "label": n % 2} for n, t in enumerate(TOWNS)]),
           NO_PAIR),
    Format("numbers and booleans as completions, ids as numbers", "values.jsonl",
           lines([{"id": n, "prompt": q, "completion": [3, 0.5, True, False][n]}
                  for n, q in enumerate(ASKED)]), "refused: a completion that is no text"),
    Format("objects as completions", "objects.jsonl",
           lines([{"prompt": q, "completion": {"town": t, "found": True}}
                  for q, t in PAIRED]),
           "refused: a completion that is no text"),
    Format("nested further keys", "nested.jsonl",
           lines([r | {"metadata": {"from": "desk"}, "tags": ["a"]} for r in ROWS]),
           "refused: a key that is no text"),
    Format("columns with names of one's own, `--columns`", "own.csv",
           table([{"frage": q, "antwort": t} for q, t in PAIRED]),
           NO_PAIR, columns="prompt=frage,completion=antwort"),
    Format("the same without `--columns`", "own.csv",
           table([{"frage": q, "antwort": t} for q, t in PAIRED]),
           NO_PAIR),
    Format("several languages", "languages.jsonl",
           lines([{"prompt": q, "completion": a} for q, a in (
               ("Where is Oslo?", "In Norway."), ("Wo liegt Köln?", "In Deutschland."),
               ("東京はどこですか。", "日本です。"), ("Где Омск?", "В Сибири."))]), "read"),
)  # fmt: skip
CHATS = (
    Format("OpenAI chat", "chat.jsonl", chats(), "read"),
    Format("OpenAI chat with a developer turn", "developer.jsonl",
           chats({"role": "developer", "content": "Be brief."}),
           "refused: an unknown role, not named"),
    Format("chat with content in parts", "parts.jsonl",
           lines([{"messages": [{"role": "user", "content": [{"type": "text", "text": q}]},
                                {"role": "assistant", "content": t}]}
                  for q, t in PAIRED]),
           NO_TEXT),
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
                  for q, t in PAIRED]), UNKNOWN),
    Format("TRL: prompt and completion as lists of messages", "trl.jsonl",
           lines([{"prompt": [{"role": "user", "content": q}],
                   "completion": [{"role": "assistant", "content": t}]}
                  for q, t in PAIRED]),
           "refused: a prompt that is no text"),
)  # fmt: skip
CALLS = (
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
               for q, t in PAIRED]), UNKNOWN),
    Format("Gemini: contents, parts, systemInstruction", "gemini.jsonl",
           lines([{"systemInstruction": {"parts": [{"text": "Be brief."}]},
                   "contents": [{"role": "user", "parts": [{"text": q}]},
                                {"role": "model", "parts": [{"text": t}]}]}
                  for q, t in PAIRED]), NO_PAIR),
    Format("Bedrock: content and system as parts without a type", "bedrock.jsonl",
           lines([{"system": [{"text": "Be brief."}],
                   "messages": [{"role": "user", "content": [{"text": q}]},
                                {"role": "assistant", "content": [{"text": t}]}]}
                  for q, t in PAIRED]),
           NO_TEXT),
    Format("Cohere: roles User and Chatbot", "cohere.jsonl",
           lines([{"messages": [{"role": "User", "content": q},
                                {"role": "Chatbot", "content": t}]}
                  for q, t in PAIRED]), "refused: an unknown role"),
    Format("xLAM: query, tools, answers that are calls", "xlam.jsonl",
           lines([{"query": q, "tools": json.dumps([FIND]),
                   "answers": json.dumps([{"name": "find", "arguments": {"town": t}}])}
                  for q, t in PAIRED]), NO_PAIR),
    Format("a dialogue and its summary", "summary.jsonl",
           lines([{"dialogue": f"A: {q}\nB: {t}.", "summary": f"They speak of {t}."}
                  for q, t in PAIRED]), NO_PAIR),
)  # fmt: skip
OTHERS = (
    Format("prompt and completion beside `system`", "system.jsonl",
           lines([{"system": "Answer like a pirate.", **row} for row in ROWS]),
           "**read, `system` taken for a slice**"),
    Format("legacy OpenAI: separators, ` END`", "legacy.jsonl",
           lines([{"prompt": f"{q}\n\n###\n\n", "completion": f" {t} END"}
                  for q, t in PAIRED]), "read; blanks told"),
    Format("pictures", "pictures.jsonl", lines([{"images": "a.png", **row} for row in ROWS]),
           "**read, the picture dropped without a word**"),
    Format("DPO: chosen and rejected", "dpo.jsonl",
           lines([{"prompt": q, "chosen": t, "rejected": "No."}
                  for q, t in PAIRED]), NO_PAIR),
    Format("a text alone", "text.jsonl", lines([{"text": f"{t} is a town."} for t in TOWNS]),
           NO_PAIR),
    Format("a spreadsheet, .xlsx", "rows.xlsx", lambda path: path.write_bytes(b"PK\x03\x04"),
           "refused, says how to save it"),
)  # fmt: skip
KINDS = (*FILES, *PAIRS, *CHATS, *CALLS, *OTHERS)
