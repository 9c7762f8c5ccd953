"""JSON files that are no JSON lines: one array of rows, `{"data": [...]}`, or printed objects.

A row is read at a time, so that a file may be larger than memory. Beyond an error inside a row the
next one can still be found; beyond one between rows it cannot, and ends the file.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from pawl.core.jsonio import BOM, MAX_LINE, parse_text
from pawl.data.read.forms import ANSWERS, CHATS, PROMPTS, TOOLS, plain_name
from pawl.data.read.lines import MAX_FILE, ByteReader, Record, as_row, too_large_error
from pawl.data.read.turns import is_turns
from pawl.errors import DataError

CHUNK = 1 << 20
BETWEEN = re.compile(r"[\s,]*")
BLANK = re.compile(r"\s*")
# Keys of a row: an object with one is a row, whatever lists it has.
OF_A_ROW = {*CHATS, *PROMPTS, *ANSWERS, *TOOLS}
_LENIENT = json.JSONDecoder()


def json_value_records(file: ByteReader, name: str) -> Iterator[Record]:
    """Yield the rows of a JSON file, numbered from 1.

    Raises:
        DataError: it is not JSON between its rows, holds several lists of rows, or is too large.
    """
    text = _Text(file, name)
    opening = text.after(BLANK)
    if opening == "[":
        text.skip(1)
    elif opening == "{" and not _enter_list(text, name):
        opening = ""
    number = 0
    while (first := text.after(BETWEEN)) not in ("", "]"):
        number += 1
        yield _record(number, text, name)
    if first == "]":
        text.skip(1)
        _refuse_rest(text, name, wrapped=opening == "{")
    elif opening:
        raise _broken(name, number, "the list of rows is not closed")


class _Text:
    """A file's text from a position on; at least MAX_LINE characters of it, if there are as many.

    Bytes that are not UTF-8 become lone surrogates, which the check of a text rejects.
    """

    def __init__(self, file: ByteReader, name: str) -> None:
        self._file, self._name = file, name
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._read, self._ended = "", 0, 0, False
        self._fill()
        if self._text.startswith("\ufeff"):
            self._at = 1

    def _fill(self) -> None:
        if self._ended or len(self._text) - self._at > MAX_LINE:
            return
        parts = [self._text[self._at :]]
        size = len(parts[0])
        while size <= 2 * MAX_LINE and not self._ended:
            data = self._file.read(CHUNK)
            self._read, self._ended = self._read + len(data), not data
            if self._read > MAX_FILE:
                raise too_large_error(self._name)
            parts.append(self._decoder.decode(data, final=self._ended))
            size += len(parts[-1])
        self._text, self._at = "".join(parts), 0

    def after(self, blanks: re.Pattern[str]) -> str:
        """Skip what the pattern matches, however long; return the next character, "" at the end."""
        while True:
            self._fill()
            found = blanks.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]

    def skip(self, count: int) -> None:
        self._at += count

    def value(self) -> str:
        """Take the text of the next JSON value; raise `ValueError` if it is none or too long."""
        self._fill()
        try:
            _, end = _LENIENT.raw_decode(self._text, self._at)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        except json.JSONDecodeError as error:
            if len(self._text) - self._at > MAX_LINE:
                raise ValueError(f"a row has more than {MAX_LINE:,} bytes, or no end") from error
            raise ValueError(f"not JSON: {error.msg}") from error
        text, self._at = self._text[self._at : end], end
        return text

    def mark(self) -> tuple[str, int]:
        return self._text, self._at

    def back(self, mark: tuple[str, int]) -> bool:
        """Go back to a mark; False if the text before has been dropped since."""
        if mark[0] is not self._text:
            return False
        self._at = mark[1]
        return True


def _record(number: int, text: _Text, name: str) -> Record:
    try:
        taken = text.value()
    except ValueError as error:
        raise _broken(name, number, str(error)) from error
    raw = taken.encode("utf-8", "surrogateescape")
    try:
        if len(raw) > MAX_LINE:
            raise ValueError(f"the row has more than {MAX_LINE:,} bytes")
        row = as_row(parse_text(taken))
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
    except ValueError as error:
        return Record(number, raw, None, str(error))
    return Record(number, line, row)


def _enter_list(text: _Text, name: str) -> bool:
    """Go to the first row of the list in an object; back to its start, if the object is a row."""
    start = text.mark()
    text.skip(1)
    while text.after(BETWEEN) == '"':
        try:
            key = str(parse_text(text.value()))
            if text.after(BLANK) != ":":
                break
            text.skip(1)
            if plain_name(key) in OF_A_ROW:
                break
            if text.after(BLANK) == "[":
                inside = text.mark()
                text.skip(1)
                if text.after(BLANK) in ("{", "["):
                    return True
                if not text.back(inside):
                    break
            text.value()
        except ValueError:
            break
    if not text.back(start):
        raise _broken(name, 1, "its first row is too long")
    return False


def _refuse_rest(text: _Text, name: str, *, wrapped: bool) -> None:
    """Refuse a second list of rows behind the first; single values there are no rows."""
    rest: Any = text.after(BETWEEN)
    if wrapped:
        try:
            while rest == '"':
                key = str(parse_text(text.value()))
                text.after(re.compile(r"[\s:]*"))
                value = _LENIENT.decode(text.value())
                if isinstance(value, list) and value and isinstance(value[0], dict):
                    raise DataError(
                        f"{name} holds several lists of rows",
                        rule="a data file is one list of rows; Pawl makes its own splits",
                        remedy=f"join them, or take one: `jq -c '.{_jq(key)}[]' OLD > NEW.jsonl`",
                    )
                rest = text.after(BETWEEN)
        except ValueError as error:
            raise _broken(name, 0, str(error)) from error
        rest = text.after(re.compile(r"[\s}]*"))
    if rest:
        raise _broken(name, 0, "there is more behind the list of rows")


def _jq(key: str) -> str:
    return key if re.fullmatch(r"[a-z_]{1,20}", key) else "KEY"


def _broken(name: str, number: int, problem: str) -> DataError:
    return DataError(
        f"{name}:{number}: {problem}" if number else f"{name}: {problem}",
        rule="a JSON file is one list of rows, an object with such a list, or row after row",
        remedy="write it again with a JSON library, or as JSON lines: `jq -c '.[]' OLD > NEW`",
    )


def looks_like_lines(first: bytes, second: bytes) -> bool:
    """Whether a file that begins with these lines is JSON lines, good or bad.

    A list of rows, the beginning of one, and that of a printed object, are not.
    """
    line = first.removeprefix(BOM).strip()
    if line[:1] not in (b"[", b"{"):
        return bool(line) or not second.strip().startswith((b"[", b"{"))
    if line[:1] == b"{" and not first.endswith(b"\n") and len(first) >= MAX_LINE:
        return False
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        # A printed object goes on with a key.
        return line[:1] == b"{" and not (
            line.endswith((b"{", b"[", b",")) and second.strip().startswith((b'"', b"["))
        )
    if isinstance(value, list):
        return not value or is_turns(value) or not isinstance(value[0], dict | list)
    if second.strip().startswith(b"{") or any(plain_name(key) in OF_A_ROW for key in value):
        return True
    return not any(isinstance(v, list) and v and isinstance(v[0], dict) for v in value.values())
