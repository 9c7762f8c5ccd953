"""JSON completions in one style: the layout and key order that most of them have.

A model learns exactly what it is shown, blanks and order included. Numbers keep their digits and
texts their characters: what is written anew says the same.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pawl.core.jsonio import refuse_constant, refuse_repeats

Place = tuple[str, ...]
Orders = dict[tuple[Place, frozenset[str]], tuple[str, ...]]


class Number(str):
    """A number as its digits stand: 1.50 is not written as 1.5."""

    __slots__ = ()


@dataclass(frozen=True)
class Layout:
    """How JSON is laid out: separators, blanks of indentation a level, whether escaped to ASCII."""

    comma: str
    colon: str
    indent: int | None
    ascii: bool


# What `json.dumps` and its like in other languages write.
SPACINGS = ((", ", ": ", None), (",", ":", None), (",", ": ", 2), (",", ": ", 4))
LAYOUTS = tuple(
    Layout(comma, colon, indent, escaped)
    for comma, colon, indent in SPACINGS
    for escaped in (False, True)
)
_CANONICAL = Layout(",", ":", None, ascii=True)


@dataclass(frozen=True)
class Style:
    """The layout that most completions have; `orders` maps place and set of keys to their order."""

    layout: Layout
    orders: Orders

    def apply(self, completion: str) -> str:
        """The completion in this style; one that is no JSON object or list as it is."""
        value = parse(completion)
        return completion if value is None else _dump(value, self.layout, self.orders)


def customary(completions: Iterable[str]) -> Style | None:
    """The style of most; None where no layout is that of more than half of the JSON among them."""
    votes: Counter[Layout] = Counter()
    orders: defaultdict[tuple[Place, frozenset[str]], Counter[Place]] = defaultdict(Counter)
    found = 0
    for completion in completions:
        value = parse(completion)
        if value is None:
            continue
        found += 1
        votes.update(layout for layout in LAYOUTS if _dump(value, layout, {}) == completion)
        for place, keys in _objects(value, ()):
            orders[place, frozenset(keys)][keys] += 1
    # Of layouts with as many votes the first of LAYOUTS, whatever the rows' order.
    best = max(LAYOUTS, key=votes.__getitem__)
    if 2 * votes[best] <= found:
        return None
    return Style(best, {where: keys.most_common(1)[0][0] for where, keys in orders.items()})


def same_answer(completion: str) -> str:
    """A text that completions share which say the same in another layout or order of keys."""
    value = parse(completion)
    if value is None:
        return completion
    return _dump(_sorted(value), _CANONICAL, {})


def parse(completion: str) -> Any:
    """A completion's JSON object or list with its numbers as `Number`; None for anything else.

    None, too, for what JSON readers do not agree on: a key twice, NaN, half a surrogate pair.
    """
    if completion[:1] not in ("{", "["):
        return None
    try:
        value = _DECODER.decode(completion)
        _dump(value, LAYOUTS[0], {}).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value


def _dump(value: Any, layout: Layout, orders: Orders, place: Place = ()) -> str:
    if isinstance(value, Number):
        return str(value)
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=layout.ascii)
    if isinstance(value, dict):
        keys = orders.get((place, frozenset(value)), tuple(value))
        items = [
            json.dumps(key, ensure_ascii=layout.ascii)
            + layout.colon
            + _dump(value[key], layout, orders, (*place, key))
            for key in keys
        ]
        left, right = "{}"
    else:
        items = [_dump(item, layout, orders, (*place, "[]")) for item in value]
        left, right = "[]"
    if layout.indent is None:
        return left + layout.comma.join(items) + right
    # Only between the items: a line break within a text is escaped there.
    inner = "\n" + " " * layout.indent
    lines = [item.replace("\n", inner) for item in items]
    return left + inner + (layout.comma + inner).join(lines) + "\n" + right


def _objects(value: Any, place: Place) -> Iterator[tuple[Place, tuple[str, ...]]]:
    """Place and keys, in their order, of each object."""
    if isinstance(value, dict):
        yield place, tuple(value)
        for key, item in value.items():
            yield from _objects(item, (*place, key))
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item, (*place, "[]"))


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
