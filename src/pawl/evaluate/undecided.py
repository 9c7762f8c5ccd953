"""Whether an answer that is not whole yet can come to be right, by metrics that tell early."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pawl.evaluate.fields import INVALID, parsed, same

# What a decoder shows of a character whose last bytes have not come yet.
HALF = "\ufffd"
# JSON's own blanks.
BLANK = " \t\n\r"
# No value yet.
OPEN = object()


def may_match(begun: str, reference: str) -> bool:
    """Whether a text that begins so may equal the reference, apart from surrounding whitespace."""
    text, wanted = begun.rstrip(HALF).lstrip(), reference.strip()
    return wanted.startswith(text) or (text.startswith(wanted) and not text[len(wanted) :].strip())


def may_be_equal(begun: str, reference: str) -> bool:
    """Whether a text that begins so may be the reference's JSON value.

    Of an object each field that is complete is compared; anything else is left open until its end.
    """
    wanted = parsed(reference)
    if wanted is INVALID:
        return True
    text = begun.rstrip(HALF).lstrip(BLANK)
    if not isinstance(wanted, dict):
        kinds = {"[": list, '"': str, "{": dict}
        return not text or kinds.get(text[0], type(wanted)) is type(wanted)
    return not text or (text[0] == "{" and _fields_may_be(text[1:], wanted))


def _fields_may_be(text: str, wanted: dict[str, Any]) -> bool:
    """Whether the fields of an object, after its brace, are those wanted as far as they are whole.

    Where the text ends, or is no JSON, the rest is left open: the end tells.
    """
    seen: set[str] = set()
    while not (text := text.lstrip(BLANK)).startswith("}"):
        name, text = _begins_with(text)
        if name is OPEN:
            return True
        if not isinstance(name, str) or name not in wanted or name in seen:
            return False
        value, text = _begins_with(text.removeprefix(":"))
        if value is OPEN or (not text and not isinstance(value, str | list | dict)):
            return True  # a number may go on
        if not same(value, wanted[name]):
            return not text.startswith((",", "}"))
        seen.add(name)
        text = text.removeprefix(",")
    return seen == wanted.keys()


def _begins_with(text: str) -> tuple[Any, str]:
    """The JSON value that a text begins with, and the rest; `OPEN` if there is none."""
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip(BLANK))
    except (ValueError, RecursionError):
        return OPEN, ""
    return value, text.lstrip(BLANK)[end:].lstrip(BLANK)


# By metric: whether an answer that begins so may still score 1 beside the reference.
UNDECIDED: dict[str, Callable[[str, str], bool]] = {
    "exact_match": may_match,
    "json_equal": may_be_equal,
}
