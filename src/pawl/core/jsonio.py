"""Strict JSON (I-JSON, RFC 7493): refuses what readers would take differently, or not at all."""

from __future__ import annotations

import json
import math
from typing import Any

# Bytes of a line, and of a CSV row that spans several.
MAX_LINE = 1 << 20
# Beyond it, a reader that holds numbers as doubles rounds.
MAX_INTEGER = (1 << 53) - 1
MAX_DEPTH = 100
BOM = b"\xef\xbb\xbf"
NO_BOM = "it begins with a byte order mark; save the file as UTF-8 without BOM"
TOO_DEEP = f"nested too deeply: more than {MAX_DEPTH} levels"


def parse_json(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line; raises `ValueError` with the reason."""
    value = parse_line(line)
    if not isinstance(value, dict):
        raise ValueError(f"a row is an object, not {type(value).__name__}")
    return value


def parse_line(line: bytes) -> Any:
    """Return the JSON value of a line; raises `ValueError` with the reason."""
    if len(line) > MAX_LINE:
        raise ValueError(f"the line has more than {MAX_LINE:,} bytes")
    if line.startswith(BOM):
        raise ValueError(NO_BOM)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    return parse_text(text)


def parse_text(text: str) -> Any:
    """Return the JSON value of a text; raises `ValueError` with the reason."""
    if not text or text.isspace():
        raise ValueError("the line is blank")
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if text.count("[") + text.count("{") > MAX_DEPTH:
        refuse_deep(value)
    return value


def parse_constants(text: str) -> Any:
    """Return the JSON value of a file of Pawl's own; NaN and infinity raise `ValueError`."""
    return _OWN.decode(text)


def refuse_constant(constant: str) -> Any:
    """For `parse_constant`: NaN and infinities are not JSON (RFC 8259)."""
    raise ValueError(f"{constant} is not JSON")


def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `object_pairs_hook`: of two equal keys, readers differ in which they keep (RFC 7493)."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def refuse_deep(value: Any) -> None:
    """Raise `ValueError` for a JSON value of more than `MAX_DEPTH` levels of lists and objects."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        lists = [v.values() if isinstance(v, dict) else v for v in level]
        level = [v for values in lists for v in values if isinstance(v, dict | list)]
        if not level:
            return
    raise ValueError(TOO_DEEP)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else refuse_constant(digits)


def _integer(digits: str) -> int:
    # By length first: int() of thousands of digits is slow, or raises another error.
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
        raise ValueError("an integer beyond 2^53 is read differently by others: write it as a text")
    return int(digits)


_DECODER = json.JSONDecoder(
    parse_constant=refuse_constant, object_pairs_hook=refuse_repeats, parse_int=_integer
)
_OWN = json.JSONDecoder(parse_constant=refuse_constant, parse_float=_finite)
