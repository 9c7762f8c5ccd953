"""Whether data is fit to train on, in words: a check report's verdict, and what to do about a rule.

The page, the terminal and the artifact in Prefect say the same because they take it from here.
"""

from __future__ import annotations

from typing import Literal

from pawl.core.files import digest_file
from pawl.core.records import CheckReport, Rule, read_record
from pawl.workspace.paths import Workspace

State = Literal["blocks", "warns", "passed"]
STATES: tuple[State, ...] = ("blocks", "warns", "passed")
REPORT, PAGE, DOCS = "report.json", "report.html", "../docs/index.html"
# What these find is how many there are, not rows at fault: a share of them says nothing.
COUNTS = ("row_count", "constant")
REMEDIES = {
    "readable": "Mend the lines named. `pawl check {task} --fix` proposes a copy without them; "
    "`check.drop_bad` in params.yaml leaves out a stated share.",
    "row_count": "Bring more rows. A few hundred clean ones are enough; lower `check.min_rows` "
    "only if fewer really are.",
    "length": "Shorten or split these rows. Raise `train.max_length` only as far as base and "
    "memory allow: `pawl plan {task}`.",
    "contradictions": "Decide which answer is right and give each prompt that one. If it depends "
    "on what the prompt does not say, put that into the prompt.",
    "duplicates": "`pawl check {task} --fix` keeps the first of the rows with the same question "
    "and answer. If a prompt rightly stands there once for each customer or conversation, name "
    "that key in `split.group_by`.",
    "near_duplicates": "Keep the best row of each family, or name the family's key in "
    "`split.group_by`, so that its rows share a side.",
    "constant": "There is nothing to learn. Look for a wrong column taken for the completion, or "
    "a delivery that was cut off.",
    "dominance": "Bring rows with other answers, or thin out this one: a model that always gives "
    "it looks good and is useless.",
    "templates": "Vary how the rows are made: the model learns the template's words instead of "
    "the task.",
    "slices": "Bring rows of the slices named, or merge them in the key that `split.slice_by` "
    "names: what has few rows is neither learned nor guarded.",
    "schema": "Mend the completions named, or the schema where that is wrong: the model learns "
    "exactly what it is shown.",
    "regex": "Mend the completions named, or `evaluate.regex` where that is wrong.",
    "blanks": "`pawl check {task} --fix` trims them; otherwise the model learns to write them.",
    "style": "`pawl check {task} --fix` brings JSON completions into the customary key order and "
    "spacing; settle quoting and casing by hand.",
    "facts": "An adapter learns how to answer, not what is true. Put what changes into the prompt "
    "(retrieval), so that completions only say what their prompts hold.",
    "language": "Look whether the rows named belong here. If several languages are meant, make "
    "the language a key of the rows and name it in `split.slice_by`.",
    "secrets": "Revoke each secret named, then take it out of the rows: what a model has learned "
    "can be got out of it again.",
    "possible_secrets": "Look whether these are secrets: they are told by looks alone, a random "
    "token or a word beside a password's name. What is one, treat as under `secrets`.",
    "personal": "Replace by placeholders what the task does not need; for the rest, know on what "
    "ground you keep it.",
    "label_noise": "Read the rows named, from the first on, and correct the label or take the "
    "row out; the further down, the more of them are right.",
}


def state(rule: Rule) -> State:
    """What a rule's outcome means for a training."""
    if rule.passed:
        return "passed"
    return "blocks" if rule.severity == "block" else "warns"


def ranked(report: CheckReport) -> list[Rule]:
    """The rules as a person acts on them: what blocks, what warns, what passed."""
    return sorted(report.rules, key=lambda rule: STATES.index(state(rule)))


def fit(report: CheckReport) -> bool:
    """Whether a training may start on this data; on a report without a rule it may not."""
    return bool(report.rules) and all(state(rule) != "blocks" for rule in report.rules)


def verdict(report: CheckReport) -> str:
    """Fit to train or not, and what blocks, in one sentence."""
    if not report.rules:
        return "Not fit to train: no rule was run."
    if fit(report):
        warn = sum(state(rule) == "warns" for rule in report.rules)
        return f"Fit to train: no rule blocks{f', {warn} warn' if warn else ''}."
    what = [f"{r.name} ({rows_text(r.found)})" for r in report.rules if state(r) == "blocks"]
    return f"Not fit to train: {_listed(what)} {'block' if len(what) > 1 else 'blocks'}."


def share(rule: Rule) -> float | None:
    """The share of the rows looked at that are at fault; None where that is no question."""
    return rule.found / rule.of if rule.of and rule.name not in COUNTS else None


def share_text(rule: Rule) -> str:
    """The share as a person reads it: what is not nothing is not shown as 0."""
    value = share(rule)
    if not value:
        return "–" if value is None else "0 %"
    return "< 0.1 %" if value < 0.0005 else f"{value:.1%}".replace("%", " %")


def remedy(rule: Rule, task: str) -> str:
    """What to do about a rule that found something."""
    return REMEDIES.get(rule.name, "Look at the rows named.").format(task=task)


def sampled(report: CheckReport) -> list[Rule]:
    """The rules that looked at fewer rows than there are."""
    return [rule for rule in report.rules if rule.name not in COUNTS and rule.of < report.rows]


def drift_text(report: CheckReport) -> str:
    """Why there is no drift to show; empty where there is."""
    if report.drift:
        return ""
    return "No champion to compare with, or one from before its data's profile was kept."


def read_check(workspace: Workspace, task: str) -> CheckReport | None:
    """The report on the data as it is now; None where the last check was of other data, or none."""
    path = workspace.files(task).check / REPORT
    data = workspace.inside(workspace.task(task).data)
    if not (path.is_file() and data.is_file()):
        return None
    report = read_record(path, CheckReport)
    return report if report.data == digest_file(data) else None


def plain(text: str) -> str:
    """A text of the record for a page or a terminal: what cannot be seen stands as U+FFFD."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def rows_text(count: int) -> str:
    """So many rows, in words."""
    return "1 row" if count == 1 else f"{count:,} rows"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
