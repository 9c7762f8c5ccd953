"""The records that rooms hand each other: frozen, JSON in and out, validated when read.

A record names the digests of what it was made from, so that any one leads back to data, base and
parameters. A metric that could not be measured is absent from its mapping, never 0.
"""

from pawl.core.records.base import QUANTISATION, STRICT, Base, BaseInfo
from pawl.core.records.cycle import Candidate, Cycle
from pawl.core.records.data import (
    CheckReport,
    Drift,
    Example,
    Fault,
    FixReport,
    Histogram,
    KnownRow,
    Mend,
    MendName,
    Message,
    Profile,
    Relabel,
    Role,
    Rule,
    SplitReport,
)
from pawl.core.records.evaluate import Contender, EvalReport, Score, Timing, Worth
from pawl.core.records.gate import Comparison, Decision, Verdict
from pawl.core.records.io import (
    Record,
    read_known_rows,
    read_record,
    read_rows,
    to_json,
    write_record,
)
from pawl.core.records.ledger import Champion, Kept, Look
from pawl.core.records.train import AdapterManifest, Rung

__all__ = [
    "QUANTISATION",
    "STRICT",
    "AdapterManifest",
    "Base",
    "BaseInfo",
    "Candidate",
    "Champion",
    "CheckReport",
    "Comparison",
    "Contender",
    "Cycle",
    "Decision",
    "Drift",
    "EvalReport",
    "Example",
    "Fault",
    "FixReport",
    "Histogram",
    "Kept",
    "KnownRow",
    "Look",
    "Mend",
    "MendName",
    "Message",
    "Profile",
    "Record",
    "Relabel",
    "Role",
    "Rule",
    "Rung",
    "Score",
    "SplitReport",
    "Timing",
    "Verdict",
    "Worth",
    "read_known_rows",
    "read_record",
    "read_rows",
    "to_json",
    "write_record",
]
