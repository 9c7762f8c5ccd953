"""One record, many notations: the answers that the base learns to write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from xml.sax.saxutils import escape

Record = Mapping[str, str | None]


def to_json(record: Record) -> str:
    """Compact JSON, any script left readable."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def to_spaced_json(record: Record) -> str:
    """JSON as `json.dumps` writes it by default."""
    return json.dumps(record, ensure_ascii=False)


def to_xml(record: Record) -> str:
    """One element a field; an absent value is an empty element."""
    tags = [f"<{k}/>" if v is None else f"<{k}>{escape(v)}</{k}>" for k, v in record.items()]
    return "<record>" + "".join(tags) + "</record>"


def to_yaml(record: Record) -> str:
    """A line a field."""
    return "\n".join(f"{k}: {'null' if v is None else v}" for k, v in record.items())


def to_pairs(record: Record) -> str:
    """key=value, separated by semicolons."""
    return "; ".join(f"{k}={'none' if v is None else v}" for k, v in record.items())


def to_list(record: Record) -> str:
    """A bulleted list."""
    return "\n".join(f"- {k}: {'-' if v is None else v}" for k, v in record.items())


def to_csv(record: Record) -> str:
    """The values alone, in the order asked for."""
    return " | ".join("" if v is None else v for v in record.values())


# Name used in instructions → writer. JSON stands thrice: it is what most tasks ask for.
FORMATS = [
    ("JSON", to_json),
    ("JSON", to_json),
    ("compact JSON", to_json),
    ("a JSON object", to_json),
    ("spaced JSON", to_spaced_json),
    ("XML", to_xml),
    ("YAML", to_yaml),
    ("key=value pairs", to_pairs),
    ("a list", to_list),
    ("bar-separated values", to_csv),
]
