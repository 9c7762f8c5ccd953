"""Records that the ledger speaks in: the champion, a reserved look, stored rows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Champion:
    """The released adapter at the time of the snapshot; `version` None: there is none yet."""

    version: int | None = None
    digest: str | None = None

    def label(self, none: str = "none") -> str:
        """'version 3'; `none` where there is no version."""
        return none if self.version is None else f"version {self.version}"


@dataclass(frozen=True)
class Signature:
    """ECDSA P-256 with SHA-256 (FIPS 186-5): `key` is the sha256 of the public key's PEM, `value`
    the DER signature in base64.
    """

    key: str
    value: str


@dataclass(frozen=True)
class Look:
    """One reserved use of the gate split; `question` is the evaluation fingerprint it is for.

    `level` is what p must fall below in this look. Gate rows that were held out before the look
    `since` belong to a budget that is used up and are not judged on again. `elsewhere` names other
    tasks of the store that were judged on rows of the task's first look, and on how many.
    """

    number: int
    of: int
    question: str
    level: float
    since: int = 1
    elsewhere: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ArtifactRef:
    """Where rows are that an entry brings: a file of an MLflow run, and its sha256."""

    run: str
    name: str
    digest: str
    rows: int
