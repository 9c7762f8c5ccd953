"""Judged adapters as versions of the registered model `<task>`, promoted or not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pawl.core.records import AdapterManifest, Champion, Look, Verdict, Worth
from pawl.errors import RegistryError, UsageError
from pawl.report.markdown import verdict_page
from pawl.store.client import Store, add_version, all_versions, none_if_absent, store_errors
from pawl.store.version_tags import EVIDENCE_TAG

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

ADAPTER = "adapter"
# The fields of `AdapterVersion` that are the tag `pawl.<field>` as it is, JSON in one, or may lack.
TEXTS = ("digest", "base", "base_digest", "data", "commit", "verdict", "question", "op_id")
JSON, OPTIONAL = ("params", "scores", "rows"), ("data_md5", "look", "stale")


@dataclass(frozen=True)
class AdapterVersion:
    """One judged adapter: what it was made from, its scores and the gate's verdict on it.

    `question` is the fingerprint of its cycle, `look` the evaluation fingerprint of the look that
    it was judged in, None without one. `against` is the champion at its judgement, `params` the
    task's section then. `stale` is why its verdict could not be applied, None if it could. `data`
    is the sha256 of the data file, `data_md5` DVC's name for it, None where it was not recorded.
    `when` is UTC in ISO 8601.
    """

    task: str
    version: int
    digest: str
    base: str
    base_digest: str
    data: str
    data_md5: str | None
    commit: str
    params: dict[str, Any]
    verdict: str
    question: str
    op_id: str
    scores: dict[str, dict[str, float]]
    rows: dict[str, int]
    against: Champion
    look: str | None
    stale: str | None
    run_id: str
    when: str

    @property
    def champion(self) -> Champion:
        """This version by number and digest, as ledger entries name it."""
        return Champion(self.version, self.digest)


def register(
    store: Store,
    verdict: Verdict,
    manifest: AdapterManifest,
    *,
    evidence: str,
    op_id: str,
    question: str,
    run_id: str,
    commit: str,
    data_md5: str,
    params: dict[str, Any],
    worth: Worth | None = None,
    stale: str | None = None,
) -> AdapterVersion:
    """Register the adapter that the run carries; returns the version, the same for an `op_id`.

    `evidence` is the sha256 of the verdict file: the file that is signed later must be that one.
    """
    if earlier := _of_operation(store, verdict.task, op_id):
        return earlier[0]
    dumps = partial(json.dumps, sort_keys=True, ensure_ascii=False, allow_nan=False)
    base, against = manifest.base, verdict.champion
    tags = {
        "pawl.base": f"{base.model}@{base.revision}" if base.revision else base.model,
        "pawl.base_digest": base.digest,
        "pawl.data": manifest.data,
        "pawl.commit": commit,
        "pawl.params": dumps(params),
        "pawl.verdict": verdict.decision,
        EVIDENCE_TAG: evidence,
        "pawl.question": question,
        "pawl.digest": manifest.digest,
        "pawl.scores": dumps(verdict.scores),
        "pawl.rows": dumps(verdict.rows),
        "pawl.against": "none" if against.version is None else str(against.version),
        "pawl.against_digest": against.digest or "none",
    }
    look = verdict.look and verdict.look.question
    optional = {"pawl.look": look, "pawl.data_md5": data_md5, "pawl.stale": stale}
    tags |= {name: value for name, value in optional.items() if value}
    with store_errors(store.uri):
        source = f"{store.client.get_run(run_id).info.artifact_uri}/{ADAPTER}"
    task, page = verdict.task, verdict_page(verdict, worth, stale=stale)
    added = add_version(
        store, task, op_id=op_id, source=source, run_id=run_id, tags=tags, description=page
    )
    first = _of_operation(store, task, op_id)[0]
    if first.version != int(added.version):
        # A slow server may carry out a request after its sender gave it up and sent another.
        with store_errors(store.uri):
            none_if_absent(lambda: store.client.delete_model_version(task, str(added.version)))
    return first


def versions(store: Store, task: str) -> tuple[AdapterVersion, ...]:
    """All versions that Pawl registered, oldest first.

    One that a person added in MLflow is left out: it was never judged. Two writers with one
    `op_id` may both have added theirs; the first is the version.
    """
    first: dict[str, AdapterVersion] = {}
    for version in all_versions(store, task):
        if "pawl.digest" in version.tags:
            first.setdefault(version.tags.get("pawl.op_id", ""), _parse(version))
    return tuple(first.values())


def find_by_fingerprint(store: Store, task: str, question: str) -> AdapterVersion | None:
    """The newest version that a cycle with this fingerprint registered, None if there is none."""
    return next((v for v in reversed(versions(store, task)) if v.question == question), None)


def find_by_look(store: Store, task: str, look: Look | None) -> AdapterVersion | None:
    """The first version that was judged in this look, None if none was yet."""
    fingerprint = None if look is None else look.question
    return next((v for v in versions(store, task) if v.look and v.look == fingerprint), None)


def get(store: Store, task: str, version: int) -> AdapterVersion:
    """One version by its number.

    Raises:
        UsageError: there is no such version.
    """
    registered = {one.version: one for one in versions(store, task)}
    if version in registered:
        return registered[version]
    raise UsageError(
        f"task '{task}' has no version {version}",
        rule="a version is an adapter that a cycle judged and registered",
        remedy=f"registered: {', '.join(map(str, registered)) or 'none'}",
    )


def _of_operation(store: Store, task: str, op_id: str) -> list[AdapterVersion]:
    return [version for version in versions(store, task) if version.op_id == op_id]


def _parse(version: ModelVersion) -> AdapterVersion:
    tags, number = version.tags, int(version.version)
    try:
        against, digest = tags["pawl.against"], tags["pawl.against_digest"]
        fields: dict[str, Any] = {name: tags[f"pawl.{name}"] for name in TEXTS}
        fields |= {name: json.loads(tags[f"pawl.{name}"]) for name in JSON}
        fields |= {name: tags.get(f"pawl.{name}") for name in OPTIONAL}
        return AdapterVersion(
            **fields,
            task=version.name,
            version=number,
            against=Champion() if against == "none" else Champion(int(against), digest),
            run_id=version.run_id or "",
            when=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(),
        )
    except (KeyError, ValueError) as error:
        raise RegistryError(
            f"version {number} of '{version.name}' lacks or garbles a tag: {error}",
            rule="a version's `pawl.` tags are written with it and not edited",
            remedy="put the tag back in MLflow, or restore the tracking store from its backup",
        ) from error
