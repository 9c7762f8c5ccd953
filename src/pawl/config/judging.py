"""The sections of `params.yaml` that say how a task is judged: `evaluate` and `gate`."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    FiniteFloat,
    StrictBool,
    Tag,
)
from pydantic.dataclasses import dataclass

from pawl.config.field_types import (
    Amount,
    ContenderName,
    FileName,
    MetricName,
    UnionTag,
    text_or_section,
    valid_function,
    valid_pattern,
)
from pawl.core.records import STRICT, BaseRef


@dataclass(frozen=True, config=STRICT)
class Endpoint:
    """An OpenAI-compatible server to compare with; environment variable `key_env` has its key.

    `bare`: it is shown the row alone, without the task's long prompt, as a tuned model is.
    """

    url: Annotated[str, Field(pattern=r"^https?://[!-~]+$")]
    model: Annotated[str, Field(min_length=1)]
    key_env: str | None = None
    bare: StrictBool = False


@dataclass(frozen=True, config=STRICT)
class Judge:
    """A model at an OpenAI-compatible server that compares pairs of answers, beside people.

    The file `rubric` says what is better. Each pair is asked in both orders, `repeats` times. It
    takes part in a verdict if its agreement with people is above `floor`, by the lower end of 95 %
    confidence, and informs otherwise. Naming it sends the look's rows there, a sealed gate's too.
    """

    url: Annotated[str, Field(pattern=r"^https?://[!-~]+$")]
    model: Annotated[str, Field(min_length=1)]
    rubric: FileName
    key_env: str | None = None
    repeats: Annotated[int, Field(ge=1, le=9)] = 2
    floor: Annotated[float, Field(ge=0.5, lt=1)] = 0.6
    max_new_tokens: Annotated[int, Field(ge=1)] = 256

    @property
    def endpoint(self) -> Endpoint:
        """The server that is asked."""
        return Endpoint(self.url, self.model, self.key_env)


@dataclass(frozen=True, config=STRICT)
class Scorer:
    """A metric of your own: the `function` returns numbers from `worst` to `best`.

    A row's value is the share of that way, so that more is better and it lies in [0, 1].
    """

    function: Annotated[str, AfterValidator(valid_function)]
    worst: FiniteFloat = 0.0
    best: FiniteFloat = 1.0


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    """How contenders answer: greedy decoding, batched; `shots` examples for the k-shot baseline.

    `scorers` maps a metric of your own to `module:function`, or to a `Scorer`; `regex` is what
    `regex_match` matches a whole answer with. With `baselines: judged` a baseline's answer is
    given up where it can no longer be right by `gate.metric`, if that is exact_match or json_equal.
    `schema_decoding` holds the decoding of baselines, or of all contenders on a base of one's own,
    to the task's JSON Schema.
    `prompts` are files with further instruction prompts; each is a baseline that must be beaten.
    `bases`, `endpoints` and `answers` add contenders by name, another base, a server, or a file of
    answers that were kept of one, which are reported and need not be beaten.
    """

    shots: Annotated[int, Field(ge=0, le=64)] = 4
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    batch_size: Annotated[int, Field(ge=1)] = 64
    baselines: Literal["full", "judged"] = "full"
    schema_decoding: Literal["none", "baselines", "all"] = "none"
    prompts: dict[ContenderName, FileName] = field(default_factory=dict)
    regex: Annotated[str, AfterValidator(valid_pattern)] | None = None
    scorers: dict[
        MetricName,
        Annotated[
            Annotated[str, AfterValidator(valid_function), Tag(UnionTag.TEXT)]
            | Annotated[Scorer, Tag(UnionTag.SECTION)],
            Discriminator(text_or_section),
        ],
    ] = field(default_factory=dict)
    bases: dict[ContenderName, BaseRef] = field(default_factory=dict)
    endpoints: dict[ContenderName, Endpoint] = field(default_factory=dict)
    answers: dict[ContenderName, FileName] = field(default_factory=dict)

    @property
    def own(self) -> dict[str, Scorer]:
        """The scorers by metric, each as a section."""
        return {
            name: Scorer(one) if isinstance(one, str) else one for name, one in self.scorers.items()
        }


@dataclass(frozen=True, config=STRICT)
class Gate:
    """The promotion policy.

    `alpha` is the chance of a false promotion over the whole life of the gate split, spent over
    `looks` looks, evenly or more of it on the first ones (`spending`). `floors` must be reached by
    a first champion; `guards` may fall behind the champion by at most the stated margin (in the
    metric's own unit), `slices` is that margin for `metric` within each slice, and `forgetting` the
    share by which the adapter may raise the base's perplexity of a general text. `matches` are
    contenders of `evaluate.endpoints`, `answers` or `bases` that it must be proved to match, each
    with the most that may be lost of `metric`. No look is spent on a candidate whose one-sided p
    against the champion on dev is above `screen`. With the metric `preference` people compare
    `pairs` of the answers; None: all that were judged. A `judge` compares all of them.

    With `approval: manual` a candidate that passed is released once `approvals` persons, each with
    a key of their own, have approved it within `approval_hours`.
    """

    metric: str = "exact_match"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    looks: Annotated[int, Field(ge=1, le=1000)] = 20
    spending: Literal["even", "front"] = "even"
    screen: Annotated[float, Field(gt=0, le=0.5)] | None = None
    pairs: Annotated[int, Field(ge=20, le=10_000)] | None = None
    judge: Judge | None = None
    min_rows: Annotated[int, Field(ge=1)] = 30
    floors: dict[str, Amount] = field(default_factory=dict)
    guards: dict[str, Amount] = field(default_factory=dict)
    slices: Amount | None = None
    forgetting: Amount | None = None
    matches: dict[ContenderName, Amount] = field(default_factory=dict)
    disclosure: Literal["full", "sealed"] = "full"
    approval: Literal["auto", "manual"] = "auto"
    approvals: Annotated[int, Field(ge=1, le=9)] = 1
    approval_hours: Annotated[float, Field(gt=0, le=8760)] = 72
