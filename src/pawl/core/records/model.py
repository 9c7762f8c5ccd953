"""Records of the frozen base and of an adapter on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pydantic.dataclasses
from pydantic import ConfigDict, Field

from pawl.core.files import digest_json

# For what people write: unknown keys are refused, numbers are finite.
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# How a base's weights are held (QLoRA): an adapter only fits what it was trained on.
QUANTISATION = "nf4, double"


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class BaseRef:
    """The frozen model: a Hugging Face id with a revision, or a folder of the workspace."""

    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None


@dataclass(frozen=True)
class BaseInfo:
    """Which base, by content: `digest` covers weights, configuration, tokenizer, template."""

    model: str
    revision: str | None
    digest: str


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
