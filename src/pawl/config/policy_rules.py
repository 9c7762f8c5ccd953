"""Rules between the keys of a task's section: each yields its faults.

So a policy that cannot work is refused when it is read, not after a night of training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pawl.config.schema import CONTENDERS, ROW_KEYS, Task
from pawl.core.alpha_budget import level
from pawl.core.metrics import FALL, METRICS, PREFERENCE, bounded
from pawl.errors import ParamsError, PawlError, nearest

# Sampled sign flips, which judge graded rows, give no p below this.
LEAST_LEVEL = 1e-5
NEEDS_SCHEMA = ("schema_valid", "enum_valid")


@dataclass(frozen=True)
class Fault:
    """A fault in a task's section: the key, the value found, the rule, the remedy.

    `error` is the class to raise: `DataError` where the data lacks what the section names.
    """

    at: tuple[str, ...]
    found: str
    rule: str
    remedy: str
    error: type[PawlError] = ParamsError


def policy_faults(task: Task) -> Iterator[Fault]:
    """All faults between the keys of a section, in the order of RULES."""
    for rule in RULES:
        yield from rule(task)


def named_metrics(task: Task) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every metric that the policy names, with the key that names it."""
    yield ("gate", "metric"), task.gate.metric
    for section, names in (("floors", task.gate.floors), ("guards", task.gate.guards)):
        for metric in names:
            yield ("gate", section, metric), metric


def _metrics_exist(task: Task) -> Iterator[Fault]:
    metrics = (*METRICS, PREFERENCE, *task.evaluate.scorers)
    for at, metric in named_metrics(task):
        if metric not in metrics:
            rule = f"a metric is one of {', '.join(metrics)}"
            yield Fault(at, f": '{metric}' is no metric", rule, nearest(metric, metrics))


def _metrics_can_be_measured(task: Task) -> Iterator[Fault]:
    for at, metric in named_metrics(task):
        if metric in NEEDS_SCHEMA and task.schema is None:
            rule = "it is measured against the JSON Schema that the task's `schema` names"
            yield Fault(at, f": '{metric}' without a schema", rule, "add `schema: FILE`")
        if metric == "regex_match" and task.evaluate.regex is None:
            rule = "it is measured against `evaluate.regex`"
            yield Fault(at, f": '{metric}' without an expression", rule, "add `regex:` there")


def _a_schema_holds_decoding(task: Task) -> Iterator[Fault]:
    if task.evaluate.schema_decoding != "none" and task.schema is None:
        found = f" = '{task.evaluate.schema_decoding}' without a schema"
        rule = "decoding is held to the JSON Schema that the task's `schema` names"
        at = ("evaluate", "schema_decoding")
        yield Fault(at, found, rule, "add `schema: FILE`, or set `schema_decoding: none`")


def _scorers_have_names_of_their_own(task: Task) -> Iterator[Fault]:
    rule = "a scorer of your own does not take the name of one of Pawl's"
    for metric in sorted(set(task.evaluate.scorers) & {*METRICS, PREFERENCE}):
        at = ("evaluate", "scorers", metric)
        yield Fault(at, f": '{metric}'", rule, f"call it 'my_{metric}'")


def _scorers_tell_best_from_worst(task: Task) -> Iterator[Fault]:
    for metric, scorer in task.evaluate.own.items():
        if scorer.worst == scorer.best or not math.isfinite(scorer.best - scorer.worst):
            at = ("evaluate", "scorers", metric)
            found = f": worst {scorer.worst:g} and best {scorer.best:g}"
            rule = "a scorer returns numbers from its `worst` to its `best`"
            yield Fault(at, found, rule, "name both ends, such as `worst: 0` and `best: 5`")


def _contenders_have_names_of_their_own(task: Task) -> Iterator[Fault]:
    evaluate = task.evaluate
    taken = {
        "prompts": {*CONTENDERS},
        "bases": {*CONTENDERS, *evaluate.prompts},
        "endpoints": {*CONTENDERS, *evaluate.prompts, *evaluate.bases},
        "answers": {*CONTENDERS, *evaluate.prompts, *evaluate.bases, *evaluate.endpoints},
    }
    sections: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("prompts", evaluate.prompts),
        ("bases", evaluate.bases),
        ("endpoints", evaluate.endpoints),
        ("answers", evaluate.answers),
    )
    for section, names in sections:
        for name in names:
            if name in taken[section]:
                rule = f"other contenders are {', '.join(sorted(taken[section]))}"
                at = ("evaluate", section, name)
                yield Fault(at, f": the name '{name}' is taken", rule, f"call it 'other-{name}'")


def _floors_can_be_reached(task: Task) -> Iterator[Fault]:
    for metric, floor in task.gate.floors.items():
        at = ("gate", "floors", metric)
        if metric in FALL:
            remedy = "name it under `guards` instead"
            yield Fault(at, f": '{metric}' has no floor", "of this metric less is better", remedy)
        elif floor > 1:
            rule = f"{metric} lies in [0, 1], so that no more can be reached"
            yield Fault(at, f" = {floor:g}", rule, _points(floor))


def _margins_forbid_something(task: Task) -> Iterator[Fault]:
    gate = task.gate
    margins = {("guards", metric): (metric, margin) for metric, margin in gate.guards.items()}
    sliced = {} if gate.slices is None else {("slices",): (gate.metric, gate.slices)}
    for at, (metric, margin) in (*margins.items(), *sliced.items()):
        if bounded(metric) and margin >= 1:
            rule = f"{metric} lies in [0, 1]: a margin of 1 or more forbids nothing"
            yield Fault(("gate", *at), f" = {margin:g}", rule, _points(margin))


def _matches_are_contenders_elsewhere(task: Task) -> Iterator[Fault]:
    evaluate = task.evaluate
    names = (*evaluate.endpoints, *evaluate.answers, *evaluate.bases)
    for name, margin in task.gate.matches.items():
        at = ("gate", "matches", name)
        if name not in names:
            rule = "it names a contender of `evaluate.endpoints`, `evaluate.answers` or `.bases`"
            yield Fault(at, ": there is no such contender", rule, nearest(name, names))
        elif task.gate.metric == PREFERENCE:
            rule = "people compare the candidate with one contender, the champion or a prompt"
            yield Fault(at, " with `metric: preference`", rule, "judge by a metric of rows")
        elif bounded(task.gate.metric) and margin >= 1:
            rule = f"{task.gate.metric} lies in [0, 1]: a margin of 1 or more forbids nothing"
            yield Fault(at, f" = {margin:g}", rule, _points(margin))


def _slices_have_a_field(task: Task) -> Iterator[Fault]:
    if task.gate.slices is not None and task.split.slice_by is None:
        found = f" = {task.gate.slices:g} without `split.slice_by`"
        rule = "slices are the values of a key of the data's rows"
        yield Fault(("gate", "slices"), found, rule, "name that key: `split: {slice_by: KEY}`")
    for option, name in (("group_by", task.split.group_by), ("slice_by", task.split.slice_by)):
        if name in ROW_KEYS:
            rule = f"it names a further key of the rows, none of {', '.join(ROW_KEYS)}"
            yield Fault(("split", option), f" = '{name}'", rule, "name another key")


def _looks_can_be_passed(task: Task) -> Iterator[Fault]:
    gate = task.gate
    last = level(gate, gate.looks)
    if last < LEAST_LEVEL:
        yield Fault(
            ("gate", "alpha"),
            f" = {gate.alpha:g} over {gate.looks} looks: the last needs p below {last:.2g}",
            f"no look of a task's first budget, which has alpha / 2, needs p below "
            f"{LEAST_LEVEL:g}: hardly any gain would pass, and the k-th budget has only "
            "alpha / (k (k + 1))",
            "raise `alpha`, or allow fewer `looks`",
        )


def _a_start_has_a_rank(task: Task) -> Iterator[Fault]:
    if task.train.start != "base" and task.train.rank == "auto":
        found = f" = '{task.train.start}' with `train.rank: auto`"
        rule = "an adapter that goes on from the champion's weights has its rank"
        yield Fault(("train", "start"), found, rule, "name the champion's rank")


def _people_compare_what_decides(task: Task) -> Iterator[Fault]:
    gate = task.gate
    rule = "`preference` is what people say of pairs of answers: it decides, and is no row's value"
    for section, names in (("floors", gate.floors), ("guards", gate.guards)):
        if PREFERENCE in names:
            remedy = "name it as `gate.metric`; who is preferred to the best prompt needs no floor"
            yield Fault(("gate", section, PREFERENCE), ": no row has it", rule, remedy)
    if gate.metric == PREFERENCE and gate.slices is not None:
        remedy = "guard a metric of rows instead: `gate.guards`"
        yield Fault(("gate", "slices"), f" = {gate.slices:g} of preference", rule, remedy)
    if gate.metric != PREFERENCE and gate.pairs is not None:
        found = f" = {gate.pairs} with `gate.metric: {gate.metric}`"
        yield Fault(("gate", "pairs"), found, rule, "remove it, or name `metric: preference`")
    if gate.metric != PREFERENCE and gate.judge is not None:
        found = f" with `gate.metric: {gate.metric}`"
        rule = "a judge compares the pairs of answers that people compare"
        yield Fault(("gate", "judge"), found, rule, "remove it, or name `metric: preference`")


def _a_schedule_says_when(task: Task) -> Iterator[Fault]:
    if (when := task.schedule) is not None and when.cron is None and not when.on_change:
        rule = "a schedule says when a cycle runs"
        remedy = 'add `cron: "0 3 * * *"`, or `on_change: true`, or remove it'
        yield Fault(("schedule",), " without a time", rule, remedy)


def _points(value: float) -> str:
    if value > 100:
        return "give a share between 0 and 1"
    return f"give a share: {value:g} points is {value / 100:g}"


RULES = (
    _metrics_exist,
    _metrics_can_be_measured,
    _a_schema_holds_decoding,
    _scorers_have_names_of_their_own,
    _scorers_tell_best_from_worst,
    _contenders_have_names_of_their_own,
    _floors_can_be_reached,
    _margins_forbid_something,
    _matches_are_contenders_elsewhere,
    _slices_have_a_field,
    _looks_can_be_passed,
    _a_start_has_a_rank,
    _people_compare_what_decides,
    _a_schedule_says_when,
)
