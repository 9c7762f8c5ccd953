"""Records of the frozen base and of an adapter on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import pydantic.dataclasses
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
)

from pawl.core.files import digest_json

# For what people write: unknown keys are refused, numbers are finite.
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# How a base's weights are held (QLoRA): an adapter only fits what it was trained on.
QUANTISATION = "nf4, double"
# Names that `apply_chat_template` and the templates themselves give a meaning of their own.
OWN_NAMES = frozenset(
    {"messages", "conversation", "tools", "documents", "chat_template", "add_generation_prompt",
     "continue_final_message", "tokenize", "padding", "truncation", "max_length", "return_tensors",
     "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs", "sanitize_control_tokens",
     "strftime_now", "raise_exception", "pawl_clock", "bos_token", "eos_token", "pad_token",
     "unk_token"}
)  # fmt: skip


def _no_own_name(name: str) -> str:
    if name in OWN_NAMES:
        raise ValueError(f"'{name}' is given to every chat template by its own rules")
    return name


def _scalar(value: Any) -> bool | int | float | str:
    finite = type(value) is float and math.isfinite(value)
    if type(value) not in (bool, int, str) and not finite:
        raise ValueError("an argument is true, false, a finite number or a text in quotes")
    return value  # type: ignore[no-any-return]  # one of the four, as was just seen


# What a chat template can be given: JSON's scalars under names that are none of transformers' own.
Argument = Annotated[str, Field(pattern=r"^[a-z_]\w{0,39}$"), AfterValidator(_no_own_name)]
Scalar = Annotated[
    bool | int | float | str,
    PlainValidator(_scalar, json_schema_input_type=bool | int | float | str),
]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class BaseRef:
    """The frozen model: a Hugging Face id with a revision, or a folder of the workspace.

    `template` is what its chat template is given beside the turns.
    """

    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    template: dict[Argument, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class BaseInfo:
    """Which base, by content: `digest` covers weights, configuration, tokenizer, chat template.

    `template` is what the chat template is given, `clock` the day that it reads (None: it reads
    none): what an adapter's prompts are made with. Both are absent from files that need neither.
    """

    model: str
    revision: str | None
    digest: str
    template: dict[str, Any] = field(default_factory=dict)
    clock: str | None = None


@dataclass(frozen=True)
class AdapterManifest:
    """What an adapter was made from. `files` maps each file of the folder to its sha256.

    `rank` is the adapter's, which `params` may have left open (`auto`). `trained_on` are the hashes
    (`pawl.core.row_identity`) of all rows that it learned from, `quantisation` how the base's
    weights were held meanwhile.
    """

    task: str
    base: BaseInfo
    data: str
    rank: int
    params: dict[str, Any]
    trained_on: tuple[str, ...]
    files: dict[str, str]
    quantisation: str = QUANTISATION
    step: int | None = None
    ancestor: str | None = None
    inherited: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The adapter's identity: its weights and configuration, not its paperwork."""
        return digest_json(self.files)

    @property
    def learned(self) -> frozenset[str]:
        """Hashes of all rows that its weights learned from: none of them may judge it."""
        return frozenset({*self.trained_on, *self.inherited})
