"""Rules that compare rows with each other; run on a sample of the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from pawl.config.field_types import DataRule
from pawl.core.records import Example
from pawl.data.rules.label_noise import label_noise
from pawl.data.rules.language import UNSURE, language
from pawl.data.rules.near_duplicates import near_duplicates, templates
from pawl.data.rules.profile import labels_of, scalars_of

# The share of rows above which a field value dominates.
DOMINANT = 0.9
# The share of rows from which a language counts as intended; if the main language has MAIN of the
# rows, it is the only intended one.
INTENDED, MAIN = 0.02, 0.9


def near_duplicate_rows(rows: Sequence[Example], near: float) -> dict[int, str]:
    """Rows whose prompt is a near-duplicate of an earlier one; `near` as in `near_duplicates`."""
    return {
        index: f"nearly the prompt of {rows[earlier].id} ({similarity:.0%} similar)"
        for index, earlier, similarity in near_duplicates(rows, near=near)
    }


def suspected_labels(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """Rows with a suspected label error."""
    return {suspect.index: suspect.reason for suspect in label_noise(rows)}


def template_rows(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """Rows whose prompt is little more than a template."""
    return {
        index: f"little more than “{template.beginning}”, as {len(template.rows)} rows"
        for template in templates(rows)
        for index in template.rows
    }


def other_language(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """Rows whose prompt is in an unintended language; those of short prompts are unsure."""
    codes = [language(_asked(row)) for row in rows]
    counts = Counter(code for code in codes if code != UNSURE)
    total = sum(counts.values())
    mix = ", ".join(f"{code} {count / total:.0%}" for code, count in counts.most_common(3))
    most = max(counts.values(), default=0)
    least = most if most >= MAIN * total else INTENDED * total
    return {
        index: f"in {code}; of the rows {mix}"
        for index, code in enumerate(codes)
        if code != UNSURE and counts[code] < least
    }


def _asked(row: Example) -> str:
    """What the user says: functions, their results and a system turn are often in English."""
    said = [m.content for m in row.messages if m.role == "user"]
    return "\n".join(said or [m.content for m in row.messages])


def dominant_values(rows: Sequence[Example], _near: float) -> dict[int, str]:
    """Rows with a field value that nearly all rows share."""
    shares = labels_of(row.completion for row in rows)
    common = {
        (name, value): share
        for name, values in shares.items()
        for value, share in values.items()
        if share > DOMINANT
    }
    faults: dict[int, str] = {}
    for index, row in enumerate(rows):
        dominant = [pair for pair in scalars_of(row.completion).items() if pair in common]
        if dominant:
            texts = (f"{n} is {v}, as in {common[n, v]:.0%} of the rows" for n, v in dominant)
            faults[index] = "; ".join(texts)
    return faults


# Each maps row indices to what is wrong, worst first. The slowest rules come first.
CROSS_ROW_RULES: dict[DataRule, Callable[[Sequence[Example], float], dict[int, str]]] = {
    "label_noise": suspected_labels,
    "near_duplicates": near_duplicate_rows,
    "language": other_language,
    "templates": template_rows,
    "dominance": dominant_values,
}
