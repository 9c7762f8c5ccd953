"""Records of a training: the adapter's manifest, the ranks tried, what training.json holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pawl.core.files import digest_json
from pawl.core.records.base import QUANTISATION, BaseInfo


@dataclass(frozen=True)
class AdapterManifest:
    """What an adapter was made from. `files` maps each file of the folder to its sha256.

    `rank` is the adapter's, which `params` may have left open (`auto`). `trained_on` are the hashes
    (`pawl.core.row_identity`) of all rows that it learned from, `quantisation` how
    the base's weights were held while it did; tokenizer and chat template are part of the base's
    digest.
    """

    task: str
    base: BaseInfo
    data: str
    rank: int
    params: dict[str, Any]
    trained_on: tuple[str, ...]
    files: dict[str, str]
    quantisation: str = QUANTISATION

    @property
    def digest(self) -> str:
        """The adapter's identity: its weights and configuration, not its paperwork."""
        return digest_json(self.files)


@dataclass(frozen=True)
class RankTrial:
    """One rank that `train.rank: auto` trained, `kept` if the climb went on from it or ended on it.

    Losses are in nats a completion token: `dev_loss` of all dev rows, `train_loss` of as many train
    rows. `p` is the chance of such losses if the rank before were as good (`pawl.train.rank`);
    None for the first. `seconds` are wall time.
    """

    rank: int
    train_loss: float
    dev_loss: float
    p: float | None
    kept: bool
    seconds: float

    @property
    def gap(self) -> float:
        """By what the loss on rows that were not learned exceeds that on rows that were."""
        return self.dev_loss - self.train_loss
