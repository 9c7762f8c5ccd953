"""Rewrites JSON completions in one style, the layout and key order of the majority.

The digits of numbers and the characters of strings stay.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pawl.core.jsonio import refuse_constant, refuse_repeats

JsonPath = tuple[str, ...]
Orders = dict[tuple[JsonPath, frozenset[str]], tuple[str, ...]]


class Number(str):
    """A number with its digits as written: 1.50 does not become 1.5."""

    __slots__ = ()


@dataclass(frozen=True)
class Layout:
    """A JSON layout: separators, blanks of indentation per level, whether escaped to ASCII."""

    comma: str
    colon: str
    indent: int | None
    ascii: bool


# The layouts of `json.dumps` and its counterparts in other languages.
SPACINGS = ((", ", ": ", None), (",", ":", None), (",", ": ", 2), (",", ": ", 4))
LAYOUTS = tuple(
    Layout(comma, colon, indent, escaped)
    for comma, colon, indent in SPACINGS
    for escaped in (False, True)
)
_CANONICAL = Layout(",", ":", None, ascii=True)


@dataclass(frozen=True)
class JsonStyle:
    """The majority's layout; `orders` maps an object's path and set of keys to their order."""

    layout: Layout
    orders: Orders

    def apply(self, completion: str) -> str:
        """Return the completion in this style; one that is not a JSON object or list unchanged."""
        value = parse(completion)
        return completion if value is None else _dump(value, self.layout, self.orders)


def majority_style(completions: Iterable[str]) -> JsonStyle | None:
    """Return the majority's style; None if no layout has more than half of the JSON completions."""
    votes: Counter[Layout] = Counter()
    orders: defaultdict[tuple[JsonPath, frozenset[str]], Counter[JsonPath]] = defaultdict(Counter)
    count = 0
    for completion in completions:
        if (value := parse(completion)) is None:
            continue
        count += 1
        votes.update(layout for layout in LAYOUTS if _dump(value, layout, {}) == completion)
        for path, keys in _objects(value, ()):
            orders[path, frozenset(keys)][keys] += 1
    # Ties go to the first of LAYOUTS, whatever the order of the rows.
    best = max(LAYOUTS, key=votes.__getitem__)
    if 2 * votes[best] <= count:
        return None
    return JsonStyle(best, {where: keys.most_common(1)[0][0] for where, keys in orders.items()})


def canonical_answer(completion: str) -> str:
    """Return a text that is equal for completions that differ in layout or key order only."""
    value = parse(completion)
    return completion if value is None else _dump(_sorted(value), _CANONICAL, {})


def parse(completion: str) -> Any:
    """Parse a completion's JSON object or list, numbers as `Number`; None for anything else.

    Also None for JSON that parsers disagree on: duplicate keys, NaN, lone surrogates.
    """
    if completion[:1] not in ("{", "["):
        return None
    try:
        value = _DECODER.decode(completion)
        _dump(value, LAYOUTS[0], {}).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value


def _dump(value: Any, layout: Layout, orders: Orders, path: JsonPath = ()) -> str:
    if isinstance(value, Number):
        return str(value)
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=layout.ascii)
    if isinstance(value, dict):
        keys = orders.get((path, frozenset(value)), tuple(value))
        items = [
            json.dumps(key, ensure_ascii=layout.ascii)
            + layout.colon
            + _dump(value[key], layout, orders, (*path, key))
            for key in keys
        ]
        left, right = "{}"
    else:
        items = [_dump(item, layout, orders, (*path, "[]")) for item in value]
        left, right = "[]"
    if layout.indent is None:
        return left + layout.comma.join(items) + right
    # Line breaks occur between items only: in strings they are escaped.
    inner = "\n" + " " * layout.indent
    lines = [item.replace("\n", inner) for item in items]
    return left + inner + (layout.comma + inner).join(lines) + "\n" + right


def _objects(value: Any, path: JsonPath) -> Iterator[tuple[JsonPath, tuple[str, ...]]]:
    """Yield the path and keys, in order, of each object."""
    if isinstance(value, dict):
        yield path, tuple(value)
        for key, item in value.items():
            yield from _objects(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item, (*path, "[]"))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


_DECODER = json.JSONDecoder(
    parse_constant=refuse_constant,
    object_pairs_hook=refuse_repeats,
    parse_int=Number,
    parse_float=Number,
)
