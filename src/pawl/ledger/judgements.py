"""Signed judgements: what a cycle of this machine judged, apart from what a page in MLflow says.

A registered version bears its cycle's signature over all that its page's `pawl.` tags say: adapter,
data, code, parameters, scores, verdict, look. Whoever can write to MLflow can edit a page or add
one; a page without a valid signature answers no question and is not promoted.
"""

from __future__ import annotations

from pawl.core.records import Signature
from pawl.ledger.keys import trusted_keys
from pawl.ledger.signatures import is_signed, sign
from pawl.ledger.state import read_state
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, Judgement, versions

KIND = "judgement"


def sign_judgement(store: Store, judgement: Judgement) -> Signature:
    """Sign a judgement with this machine's key; `UsageError` where it has no trusted one."""
    return sign(store.workspace, KIND, judgement.content)


def is_judged(store: Store, version: AdapterVersion) -> bool:
    """Whether a machine with a trusted key judged this version, and its page still says what."""
    trusted = trusted_keys(store.workspace)
    return is_signed(version.signature, KIND, version.content, trusted)


def judged_versions(store: Store, task: str) -> tuple[AdapterVersion, ...]:
    """The versions whose pages can be believed, oldest first.

    Versions of Pawl 0.1 have no signature. Their looks stand in the ledger, which the first signed
    entry vouches for: the first page of such a look counts, if the look names its adapter.
    """
    looks = {
        str(entry.details["question"]): entry
        for entries in read_state(store, task).looks.values()
        for entry in entries
        if entry.signature is None
    }
    found = []
    for version in versions(store, task):
        before = looks.pop(version.look, None) if version.look else None
        of_before = before is not None and before.why.endswith(version.digest[:12])
        if is_judged(store, version) or (of_before and version.signature is None):
            found.append(version)
    return tuple(found)


def find_by_fingerprint(store: Store, task: str, question: str) -> AdapterVersion | None:
    """The newest version that a cycle with this fingerprint registered, None if there is none."""
    judged = judged_versions(store, task)
    return next((v for v in reversed(judged) if v.question == question), None)


def find_by_look(store: Store, task: str, look: str | None) -> AdapterVersion | None:
    """The first version that was judged in this look, None if none was yet."""
    return next((v for v in judged_versions(store, task) if look and v.look == look), None)
