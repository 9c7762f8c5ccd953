"""Texts of a check report for all its pages: may the data be trained on, a remedy for each rule."""

from __future__ import annotations

from typing import Literal

from pawl.core.files import digest_file
from pawl.core.records import CheckReport, Rule, read_record
from pawl.workspace.paths import Workspace

State = Literal["blocks", "warns", "passed"]
STATES: tuple[State, ...] = ("blocks", "warns", "passed")
REPORT, PAGE, DOCS = "report.json", "report.html", "../docs/index.html"
# Rules whose `found` is a count of the table, not of rows at fault, so that it has no share.
COUNTS = ("row_count", "constant")
REMEDIES = {
    "readable": "Correct these lines. `pawl check {task} --fix` proposes a copy without them; "
    "`check.drop_bad` in params.yaml leaves out a stated share.",
    "row_count": "Add rows. A few hundred clean ones are enough; lower `check.min_rows` only "
    "if fewer really suffice.",
    "length": "Shorten or split these rows. Raise `train.max_length` only as far as the base "
    "and memory allow: `pawl plan {task}`. `check.drop_long: true` leaves such rows out.",
    "contradictions": "Decide which answer is right and give each prompt that one. If the "
    "answer depends on context, add it to the prompt.",
    "duplicates": "`pawl check {task} --fix` keeps the first of the rows with the same prompt "
    "and answer. If a prompt rightly occurs once for each customer or conversation, name that key "
    "in `split.group_by`.",
    "paraphrases": "If one question has several good answers on purpose, nothing. Else keep one: "
    "the gate compares an answer with one wording.",
    "placeholders": "Fill them in, or leave out these rows: the model learns to write them.",
    "separators": "Remove these marks, of files for models without chat templates: the template "
    "ends the question, and the end token the answer.",
    "cut_off": "Complete these answers or leave out the rows: the model learns to stop there.",
    "near_duplicates": "Keep the best row of each family, or name the family's key in "
    "`split.group_by`, so that its rows are in one split.",
    "constant": "There is nothing to learn. Look for a wrong completion column or a truncated "
    "delivery.",
    "dominance": "Add rows with other answers, or downsample this one: a model that always "
    "gives it scores well and is useless.",
    "templates": "Vary how the rows are made: the model learns the template's words instead of "
    "the task.",
    "slices": "Add rows of these slices, or merge them in the key that `split.slice_by` names: "
    "a slice of few rows is neither learned nor guarded.",
    "schema": "Correct these completions, or the schema if that is wrong: the model learns "
    "exactly what it is shown.",
    "regex": "Correct these completions, or `evaluate.regex` if that is wrong.",
    "blanks": "`pawl check {task} --fix` trims them; otherwise the model learns to write them.",
    "style": "`pawl check {task} --fix` rewrites JSON completions in the majority's key order "
    "and spacing; correct quoting and casing by hand.",
    "facts": "An adapter learns how to answer, not what is true. Put changing facts into the "
    "prompt (retrieval), so that completions are grounded in their prompts.",
    "language": "Check whether these rows belong here. If several languages are intended, make "
    "the language a key of the rows and name it in `split.slice_by`.",
    "turns": "Give these rows the turns that the base takes (most take user and assistant in turn, "
    "some no system turn), or take a base whose template takes them.",
    "secrets": "Revoke each of these secrets, then remove it from the rows: what a model has "
    "learned can be extracted from it.",
    "possible_secrets": "Check whether these are secrets: they were found by heuristics, as a "
    "random token or a word beside a password's name. Treat a secret as under `secrets`.",
    "personal": "Replace by placeholders what the task does not need; for the rest, make sure "
    "that you have a legal basis to store it.",
    "control_tokens": "They are read as plain text, so that no row ends a turn or forges one. Take "
    "them out if they came in by mistake, as from a transcript of another model.",
    "label_noise": "Review these rows from the first on, and correct the label or remove the "
    "row; further down, more of them are right.",
}


def state(rule: Rule) -> State:
    """Return what a rule's outcome means for training."""
    if rule.passed:
        return "passed"
    return "blocks" if rule.severity == "block" else "warns"


def by_state(report: CheckReport) -> list[Rule]:
    """Return the rules in the order blocks, warns, passed."""
    return sorted(report.rules, key=lambda rule: STATES.index(state(rule)))


def may_train(report: CheckReport) -> bool:
    """Whether training may start on this data; never with a report without rules."""
    return bool(report.rules) and all(state(rule) != "blocks" for rule in report.rules)


def summary_text(report: CheckReport) -> str:
    """Return in one sentence whether the data is fit to train on, and what blocks."""
    if not report.rules:
        return "Not fit to train: no rule was run."
    if may_train(report):
        warn = sum(state(rule) == "warns" for rule in report.rules)
        return f"Fit to train: no rule blocks{f', {warn} warn' if warn else ''}."
    *names, last = (
        f"{r.name} ({rows_text(r.found)})" for r in report.rules if state(r) == "blocks"
    )
    blocks = f"{', '.join(names)} and {last} block" if names else f"{last} blocks"
    return f"Not fit to train: {blocks}."


def share(rule: Rule) -> float | None:
    """Return the share of checked rows that are at fault; None for rules in COUNTS."""
    return rule.found / rule.of if rule.of and rule.name not in COUNTS else None


def share_text(rule: Rule) -> str:
    """Format the share; a share above 0 is never shown as 0."""
    value = share(rule)
    if not value:
        return "–" if value is None else "0 %"
    return "< 0.1 %" if value < 0.0005 else f"{value:.1%}".replace("%", " %")


def remedy(rule: Rule, task: str) -> str:
    """Return what to do about a rule's findings."""
    return REMEDIES.get(rule.name, "Review these rows.").format(task=task)


def sampled(report: CheckReport) -> list[Rule]:
    """Return the rules that were run on a sample of the rows."""
    return [rule for rule in report.rules if rule.name not in COUNTS and rule.of < report.rows]


def drift_text(report: CheckReport) -> str:
    """Return why the report has no drift, or an empty string."""
    none = "No champion to compare with, or one without a stored data profile."
    return "" if report.drift else none


def read_check(workspace: Workspace, task: str) -> CheckReport | None:
    """Return the report of the last check; None without one, or if the data has changed since."""
    path = workspace.files(task).check / REPORT
    data = workspace.inside(workspace.task(task).data)
    if not (path.is_file() and data.is_file()):
        return None
    report = read_record(path, CheckReport)
    return report if report.data == digest_file(data) else None


def printable(text: str) -> str:
    """Replace unprintable characters by U+FFFD, for a page or terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def rows_text(count: int) -> str:
    """Format a number of rows."""
    return "1 row" if count == 1 else f"{count:,} rows"
