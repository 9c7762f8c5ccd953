"""The types of the values in `params.yaml`, each with its own rule."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field

from pawl.core.json_schema import full_match
from pawl.errors import nearest

# What a key of a row may be: `check.columns`.
RowPart = Literal["prompt", "completion", "messages", "system", "tools", "id"]
FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
# The rules of `pawl.data.rules.suite`, and those checked before a frame can be made.
DataRule = Literal[
    "row_count", "length", "schema", "regex", "contradictions", "duplicates", "near_duplicates",
    "constant", "dominance", "templates", "slices", "blanks", "style", "facts", "language",
    "secrets", "possible_secrets", "personal", "control_tokens", "label_noise", "readable", "turns",
    "paraphrases", "placeholders", "separators", "cut_off",
]  # fmt: skip
Share = Annotated[float, Field(gt=0, lt=0.5)]
# What AdamW's running means keep of themselves in a step.
Beta = Annotated[float, Field(ge=0, lt=1)]
# A file of the workspace; no system allows a NUL in a name.
FileName = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")]
# Both become names of MLflow metrics, which allow no other characters.
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z]\w{0,39}$")]
ContenderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,39}$")]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
# In the metric's own unit; `pawl.config.policy_rules` checks it against the metric's range.
Amount = Annotated[float, Field(ge=0)]
# What `valid_rank` accepts, for the JSON Schema.
RankInput = Annotated[int, Field(ge=1, le=512)] | Literal["auto"]


class UnionTag(StrEnum):
    """Where a value is a text or a section; pydantic puts the tag into an error's place."""

    TEXT = "as a text"
    SECTION = "as a section"
    FOLDER = "as a folder"
    BUCKET = "as a bucket"
    VLLM = "as replicas of vLLM"
    KUBERNETES = "as a manifest"
    WEBHOOK = "as a webhook"


def text_or_section(value: Any) -> UnionTag:
    """Which of both a value is meant to be."""
    section = isinstance(value, dict) or is_dataclass(value)
    return UnionTag.SECTION if section else UnionTag.TEXT


def valid_timezone(name: str) -> str:
    """An IANA time zone; `ValueError` else, as of all of these."""
    if name not in available_timezones():
        raise ValueError(f"'{name}' is no IANA time zone; {nearest(name, available_timezones())}")
    return name


def valid_function(name: str) -> str:
    """A Python function as `module:function`."""
    if not FUNCTION.fullmatch(name):
        raise ValueError(f"'{name}' is not `module:function`")
    return name


def valid_pattern(text: str) -> str:
    """An expression that is matched in linear time."""
    full_match(text)
    return text


def valid_rank(value: Any) -> int | str:
    """A rank, or `auto`."""
    if value != "auto" and (type(value) is not int or not 1 <= value <= 512):
        raise ValueError("a rank is a whole number from 1 to 512, or 'auto'")
    return value  # type: ignore[no-any-return]  # one of the two, as was just seen


def valid_distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of layers, each once."""
    if not names or len(set(names)) < len(names):
        raise ValueError("targets are names of linear layers, at least one, each once")
    return names


def valid_cron(line: str) -> str:
    """A cron line that Prefect takes."""
    # Prefect judges a schedule by it; nothing else here needs it.
    from croniter import CroniterError, croniter

    if len(line.split()) != 5:
        raise ValueError("a cron line has five fields: minute hour day month weekday")
    # croniter's R is a random time, H one that needs a name to hash; Prefect takes neither.
    if {"r", "h"} & set(re.split(r"[\W\d]+", line.casefold())):
        raise ValueError(f"'{line}' names a random time (R or H), which no schedule has")
    try:
        # Also that there is such a day: no February has 31.
        croniter(line, 0.0).get_next()
    except CroniterError as error:
        raise ValueError(f"'{line}' is not a cron line: {str(error).splitlines()[-1]}") from error
    return line
