"""The worlds of `domains.toml`, typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Copied:
    """A field whose value is drawn: what kind of value, and phrases that state it at `{v}`."""

    kind: str
    phrases: list[str]


@dataclass(frozen=True)
class Domain:
    """What can be said in one world, and the label that each phrase of a closed field implies."""

    name: str
    closed: dict[str, dict[str, list[str]]]
    copied: dict[str, Copied]
    fillers: list[str]


@cache
def read_domains() -> tuple[Domain, ...]:
    """All worlds, in the order of the file; read once, since every document asks for them."""
    path = Path(__file__).with_name("domains.toml")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["domain"]
    return tuple(
        Domain(
            name=table["name"],
            closed=table["closed"],
            copied={field: Copied(**entry) for field, entry in table["copied"].items()},
            fillers=table["fillers"],
        )
        for table in tables
    )
