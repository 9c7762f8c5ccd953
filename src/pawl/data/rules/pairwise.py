"""What shows only when rows are compared with each other: on the sample, where there are many."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Sequence

from pawl.config.schema import DataRule
from pawl.core.records import Example
from pawl.data.rules.label_noise import label_noise
from pawl.data.rules.language import UNSURE, language
from pawl.data.rules.near_duplicates import near_duplicates, templates
from pawl.data.rules.profile import labels_of, scalars_of

# The share of rows from which on a value says nothing any more.
DOMINANT = 0.9
# A language of fewer rows is none that the data is meant to be in; where this share of the rows is
# in one language, no other one is.
SPOKEN, MAIN = 0.02, 0.9


def near_copies(rows: Sequence[Example], near: float) -> dict[int, str]:
    """The rows that nearly ask what an earlier one does; `near`: `pawl.data.rules.near_duplicates`."""
    return {
        index: f"nearly asks what {rows[earlier].id} asks ({alike:.0%} alike)"
        for index, earlier, alike in near_duplicates(rows, near=near)
    }


def doubted(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """The rows whose answer is not what those nearest to them would say."""
    return {suspect.index: suspect.says for suspect in label_noise(rows)}


def templated(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """The rows whose prompt is little else than what many share."""
    return {
        index: f"little else than “{template.says}”, as {len(template.rows)} rows"
        for template in templates(rows)
        for index in template.rows
    }


def foreign(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """The rows whose prompt is not in a language of the data's; short ones are in none."""
    spoken = [language("\n".join(m.content for m in row.messages)) for row in rows]
    counts = Counter(code for code in spoken if code != UNSURE)
    total = sum(counts.values())
    mix = ", ".join(f"{code} {count / total:.0%}" for code, count in counts.most_common(3))
    most = max(counts.values(), default=0)
    least = most if most >= MAIN * total else SPOKEN * total
    return {
        index: f"in {code}; of the rows {mix}"
        for index, code in enumerate(spoken)
        if code != UNSURE and counts[code] < least
    }


def dominated(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """The rows that share a field's value with nearly all others."""
    shares = labels_of(row.completion for row in rows)
    common = {
        (name, value): share
        for name, values in shares.items()
        for value, share in values.items()
        if share > DOMINANT
    }
    found: dict[int, str] = {}
    for index, row in enumerate(rows):
        held = [pair for pair in scalars_of(row.completion).items() if pair in common]
        if held:
            found[index] = "; ".join(
                f"{name} is {value}, as in {common[name, value]:.0%} of the rows"
                for name, value in held
            )
    return found


def load_libraries() -> None:
    """Import what these need, which takes seconds: processes that are forked then have it."""
    for name in (
        "py3langid.langid",
        "scipy.linalg",
        "scipy.spatial",
        "sklearn.feature_extraction.text",
    ):
        importlib.import_module(name)


# What each finds wrong with rows, by their index, the worst first; those that take longest begin.
COMPARED: dict[DataRule, Callable[[Sequence[Example], float], dict[int, str]]] = {
    "label_noise": doubted,
    "near_duplicates": near_copies,
    "language": foreign,
    "templates": templated,
    "dominance": dominated,
}
