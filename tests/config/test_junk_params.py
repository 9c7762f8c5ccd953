"""Whatever stands in params.yaml, a person is told what to mend: never a traceback."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.config.judging import Evaluate, Gate
from pawl.config.load import parse_params
from pawl.config.schema import Cost, Params, Split, Task, Train
from pawl.errors import ParamsError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
KEYS = [f.name for kind in (Params, Task, Split, Train, Evaluate, Gate, Cost)
        for f in dataclasses.fields(kind)]  # fmt: skip
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["[key]", "exact_match", "a:b", "schema_valid", "\0"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.dates()
JUNK = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | TEXTS | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)
LINES = TEXT.split("\n")


def told(text: str) -> Params | None:
    """The parameters, or None where a `ParamsError` said what is wrong; all else is a failure."""
    try:
        return parse_params(text, "params.yaml")
    except ParamsError as refused:
        error = refused
    assert error.found.startswith("params.yaml")
    assert error.rule
    assert error.remedy
    return None


@given(JUNK)
def test_a_junk_file_is_refused_in_words(junk: Any) -> None:
    told(yaml.dump(junk, allow_unicode=True))
    told(yaml.dump({"tasks": junk}, allow_unicode=True))


@given(st.text())
def test_a_text_that_is_no_yaml_is_refused_in_words(text: str) -> None:
    told(text)


@settings(max_examples=300)
@given(st.data())
def test_a_section_with_one_junk_value_is_refused_in_words_or_is_all_finite(
    data: st.DataObject,
) -> None:
    document = yaml.safe_load(TEXT)
    section = document["tasks"]["tickets"]
    at = data.draw(st.sampled_from(sorted(section)))
    if isinstance(section[at], dict) and data.draw(st.booleans()):
        section[at][data.draw(st.sampled_from(KEYS))] = data.draw(JUNK)
    else:
        section[at] = data.draw(JUNK)
    read = told(yaml.safe_dump(document, allow_unicode=True))
    assert read is None or all(map(math.isfinite, numbers(dataclasses.asdict(read))))


@given(st.integers(0, len(LINES) - 1), st.text(max_size=8), st.integers(0, 40))
def test_a_typing_error_anywhere_is_refused_in_words(line: int, typed: str, at: int) -> None:
    changed = [*LINES]
    changed[line] = changed[line][:at] + typed + changed[line][at + 1 :]
    told("\n".join(changed))


def test_yaml_that_holds_or_doubles_itself_is_refused_in_words() -> None:
    assert told("&a {tasks: *a}") is None
    doubled = "\n".join(f"k{n}: &k{n} [*k{n - 1}, *k{n - 1}]" for n in range(1, 60))
    assert told(f"k0: &k0 [x]\n{doubled}\ntasks: *k59") is None
    assert told("[" * 20_000) is None


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for inner in value.values() for n in numbers(inner)]
    return [value] if isinstance(value, int | float) else []
