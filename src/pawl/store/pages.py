"""What Pawl reads of MLflow's pages: of a registered model, of its versions, of runs.

The rest of Pawl sees these, however they were read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


@dataclass(frozen=True)
class VersionPage:
    """A version of a registered model; `creation_timestamp` in ms since 1970."""

    name: str
    version: int
    run_id: str | None
    creation_timestamp: int
    tags: dict[str, str]

    @classmethod
    def of(cls, page: ModelVersion) -> VersionPage:
        """The version as MLflow's client returns it."""
        number, tags = int(page.version), dict(page.tags)
        return cls(page.name, number, page.run_id, page.creation_timestamp, tags)


@dataclass(frozen=True)
class ModelPage:
    """A registered model: the version that each alias points at, and tags."""

    aliases: dict[str, int]
    tags: dict[str, str]

    @classmethod
    def of(cls, page: RegisteredModel) -> ModelPage:
        """The model as MLflow's client returns it."""
        return cls({name: int(at) for name, at in page.aliases.items()}, dict(page.tags))


@dataclass(frozen=True)
class RunPage:
    """A run that has ended; `end_time` in ms since 1970."""

    run_id: str
    end_time: int
    tags: dict[str, str]

    @classmethod
    def of(cls, run: Run) -> RunPage:
        """The run as MLflow's client returns it."""
        return cls(str(run.info.run_id), int(run.info.end_time), dict(run.data.tags))
