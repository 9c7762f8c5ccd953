"""The records that rooms hand each other: frozen, JSON in and out, validated when read.

A record names the digests of what it was made from, so that any one leads back to data, base and
parameters. A metric that could not be measured is absent from its mapping, never 0.
"""

from pawl.core.records.cycle import Candidate, Cycle
from pawl.core.records.data import (
    CheckReport,
    Drift,
    Example,
    Fault,
    FixReport,
    HeldOutRow,
    Histogram,
    Mend,
    MendName,
    Message,
    Profile,
    Relabel,
    Role,
    Rule,
    SplitReport,
)
from pawl.core.records.evaluate import Contender, EvalReport, Score, Timing, Weights, Worth
from pawl.core.records.gate import Calibration, Comparison, Decision, Verdict
from pawl.core.records.io import (
    Record,
    read_held_out_rows,
    read_record,
    read_rows,
    to_json,
    write_record,
)
from pawl.core.records.ledger import ArtifactRef, Champion, Look, Signature
from pawl.core.records.model import QUANTISATION, STRICT, AdapterManifest, BaseInfo, BaseRef
from pawl.core.records.review import AskedJudge, Choice, Label, Opinion, Pair, Review, Vote
from pawl.core.records.train import (
    SLOWER,
    Agreement,
    Choices,
    DevPoint,
    Passes,
    Point,
    RankTrial,
    StartTrial,
    Training,
)

__all__ = [
    "QUANTISATION", "SLOWER", "STRICT", "AdapterManifest", "Agreement", "ArtifactRef", "AskedJudge",
    "BaseInfo", "BaseRef", "Calibration", "Candidate", "Champion", "CheckReport", "Choice",
    "Choices", "Comparison", "Contender", "Cycle", "Decision", "DevPoint", "Drift", "EvalReport",
    "Example", "Fault", "FixReport", "HeldOutRow", "Histogram", "Label", "Look", "Mend", "MendName",
    "Message", "Opinion", "Pair", "Passes", "Point", "Profile", "RankTrial", "Record", "Relabel",
    "Review", "Role", "Rule", "Score", "Signature", "SplitReport", "StartTrial", "Timing",
    "Training", "Verdict", "Vote", "Weights", "Worth", "read_held_out_rows", "read_record",
    "read_rows", "to_json", "write_record",
]  # fmt: skip
