"""What `pawl plan` returns and prints: the training as a table and sentences, the rest as facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pawl.core.metrics import bounded
from pawl.core.records.commands import FreshRows, LooksLeft
from pawl.report.console import Terminal

if TYPE_CHECKING:
    # Torch and scipy are loaded where they are needed, not to print.
    from pawl.evaluate.judging import Judging
    from pawl.gate.power import Power
    from pawl.train.plan import TrainingPlan

GIB = 1 << 30
# The largest rank that vLLM takes unasked (its `--max-lora-rank`).
VLLM_RANK = 16


@dataclass(frozen=True)
class DroppedRows:
    """Rows that the split leaves out, by cause (`pawl.report.dropped`)."""

    copy: int
    near_copy: int
    known_gate_row: int
    dev_copy: int
    says: tuple[str, ...]
    withdrawn: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters, LoRA's and the base's, and the former's share of the latter."""

    trainable: int
    base: int
    share: float


@dataclass(frozen=True)
class BaseMove:
    """The champion's `version` sits on another `base` than the task's: how it is judged there.

    `judging` is None where that base is not here: the cycle would end before its training.
    """

    version: int
    base: str
    judging: Judging | None

    def says(self) -> str:
        """It as text."""
        if self.judging is None:
            return (
                f"the task has moved: version {self.version}, the champion, is judged on its own "
                f"base {self.base}, which is not here: bring it back before the next cycle"
            )
        return (
            f"the task has moved: version {self.version}, the champion, answers the gate rows on "
            f"its own base {self.base} in the same run, and on the new one; one base is in memory "
            f"at a time; on {self.base} {self.judging.says()}"
        )


@dataclass(frozen=True)
class Plan:
    """What is known of a cycle before it is paid for.

    `rows` a split, `rank` as text, optimiser `steps`, `prompt_tokens` of each baseline's longest
    prompt (empty: the base's tokenizer is not here), `prompts`: what its chat template makes of
    them, in sentences, `moved`: what a champion on another base adds, `gate`: what the next look
    can detect, `says` in words; `unprovable`: guards and slices that these rows could not prove;
    `cannot_tell`: why its metric will hardly tell contenders apart, empty if it may.
    """

    task: str
    rows: dict[str, int]
    dropped: DroppedRows
    parameters: Parameters
    rank: str
    steps: int
    prompt_tokens: dict[str, int]
    prompts: tuple[str, ...]
    training: TrainingPlan
    judging: Judging
    moved: BaseMove | None
    looks: LooksLeft
    fresh_rows: FreshRows
    gate: Power
    says: str
    unprovable: tuple[str, ...]
    cannot_tell: str = ""


def show_plan(plan: Plan, *, everything: bool = False, console: Terminal) -> None:
    """Print rows, training and gate in sentences; with `everything` also what fills the memory."""

    def say(text: str) -> None:
        console.print(text, highlight=False)

    training, parameters = plan.training, plan.parameters
    rows = ", ".join(f"{count:,} {name}" for name, count in plan.rows.items())
    say(f"{plan.task}: a cycle on {rows} rows")
    for line in plan.dropped.says:
        say(line)
    if plan.prompt_tokens:
        name = max(plan.prompt_tokens, key=plan.prompt_tokens.__getitem__)
        longest = f"{plan.prompt_tokens[name]:,} tokens ({name})"
        say(f"prompts: the longest of the baselines has {longest} and fits in the base")
    for line in plan.prompts:
        say(f"  • {line}")
    trained, base = _short(parameters.trainable), _short(parameters.base)
    share = f"{parameters.share:.2%}"
    say(
        f"training on {training.device.name}: {plan.steps:,} steps at rank {plan.rank}; trains "
        f"{trained} of {base} parameters ({share})"
    )
    for line in training.says:
        say(f"  • {line}")
    say(f"  • {plan.judging.says()}")
    if plan.moved:
        say(f"  • {plan.moved.says()}")
    if everything:
        console.print(_memory(training))
    say(f"gate: {plan.says}")
    for line in (*plan.unprovable, *([plan.cannot_tell] if plan.cannot_tell else [])):
        say(f"  • {line}")
    say(f"looks: {plan.looks.used} of {plan.looks.of} used; {plan.looks.says}")
    fresh = plan.fresh_rows
    say(f"fresh gate rows: {fresh.there}; a new budget of looks needs {fresh.needed}")


def _memory(training: TrainingPlan) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0)
    table.add_column("memory at the worst moment", no_wrap=True)
    table.add_column("GiB", justify="right")
    for part, size in training.peak.parts.items():
        table.add_row(part, f"{size / GIB:.3f}")
    table.add_section()
    table.add_row("all", f"{training.peak.total / GIB:.3f}")
    table.add_row("training may use", f"{training.usable / GIB:.3f}")
    return table


def rank_text(ranks: Sequence[int]) -> str:
    """The rank, or the ranks that `train.rank: auto` may try."""
    if len(ranks) == 1:
        return str(ranks[0])
    return (
        f"auto: {', '.join(map(str, ranks))}, as far as dev improves beyond noise; each is a "
        f"training of its own, two at least; parameters are those of {ranks[-1]}"
    )


def serving_text(*, rank: int, dora: bool) -> str:
    """What a server of others will not take of such an adapter; empty where it takes all."""
    if dora:
        return "vLLM takes no DoRA: `pawl serve` does, others what `pawl export --merged` writes"
    if rank > VLLM_RANK:
        return f"vLLM takes a rank of {rank} with `--max-lora-rank {rank}` alone"
    return ""


def screen_text(screen: float | None, dev_rows: int) -> str:
    """What is asked of the dev rows before a look is spent; empty where nothing is."""
    if screen is None:
        return ""
    return (
        f"; no look is spent on a candidate whose p against the champion on the {dev_rows} dev "
        f"rows is above {screen:g}"
    )


def gate_text(power: Power, metric: str, *, blocked: FreshRows | None) -> str:
    """What the next look can detect; `blocked`: the fresh rows, if too few for any look."""
    if blocked is not None:
        return (
            f"no look can be had: {blocked.needed} gate rows that no look has scored open a new "
            f"budget, {blocked.there} are there"
        )
    grouped = f" in {power.units} groups" if power.units < power.rows else ""
    rows = f"{power.rows} gate rows{grouped}"
    if not bounded(metric):
        return (
            f"with {rows}: how small a gain of {metric} is seen depends on how its values spread, "
            "which only a run can tell"
        )
    if power.smallest_gain is None or power.last_gain is None:
        return f"with {rows} this gate sees no gain: add rows or allow fewer looks"
    last = together = ""
    if power.last_gain > power.smallest_gain:
        last = f" ({power.last_gain:.1%} in the last look)"
    if grouped:
        together = " and the rows of a group do not stand and fall together (else less often)"
    return (
        f"with {rows} this gate sees a gain of {power.smallest_gain:.1%} or more{last} "
        f"four times in five, if {power.breaks:.0%} are newly lost beside{together}; of smaller "
        "ones it will mostly say 'inconclusive'"
    )


def _short(count: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)
