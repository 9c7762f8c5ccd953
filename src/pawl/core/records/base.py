"""Records of the frozen base model: how it is named, and which one it is by content."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

# For what people write: unknown keys are refused, numbers are finite.
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

# How a base's weights are held (QLoRA): an adapter only fits what it was trained on.
QUANTISATION = "nf4, double"


@dataclass(frozen=True, config=STRICT)
class BaseRef:
    """The frozen model: a Hugging Face id with a revision, or a folder of the workspace."""

    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None


@dataclasses.dataclass(frozen=True)
class BaseInfo:
    """Which base, by content: `digest` covers weights, configuration, tokenizer, template."""

    model: str
    revision: str | None
    digest: str
