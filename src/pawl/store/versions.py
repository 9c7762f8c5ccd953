"""Judged adapters as versions of the registered model `<task>`, promoted or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from pawl.core.files import digest_json
from pawl.core.records import Champion, Signature, Verdict, Worth, to_json
from pawl.errors import RegistryError, UsageError
from pawl.report.markdown import verdict_page
from pawl.store.client import Store, none_if_absent, store_errors
from pawl.store.pages import VersionPage
from pawl.store.registry import add_version, all_versions
from pawl.store.version_tags import SIGNATURE_TAG

ADAPTER = "adapter"
# The fields of `Judgement` that are the tag `pawl.<field>` as it is, JSON in one, or may lack.
TEXTS = ("digest", "base", "base_digest", "data", "commit", "verdict", "question", "op_id")
JSON, OPTIONAL = ("params", "scores", "rows"), ("data_md5", "look", "stale", "evidence", "manifest")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a cycle found of an adapter, all of which the machine that judged it signs.

    `digest` is the adapter's, `manifest` the sha256 of its manifest file, `evidence` that of the
    verdict file. `question` is the fingerprint of its cycle, `look` the evaluation fingerprint of
    the look that it was judged in, None without one. `against` is the champion at its judgement,
    `params` the task's section then, `data` the sha256 of the data file, `data_md5` DVC's name for
    it, None where it was not recorded. `stale` is why its verdict could not be applied, None if it
    could. Versions of Pawl 0.1 lack `evidence` and `manifest`.
    """

    task: str
    digest: str
    manifest: str | None
    base: str
    base_digest: str
    data: str
    data_md5: str | None
    commit: str
    params: dict[str, Any]
    verdict: str
    evidence: str | None
    scores: dict[str, dict[str, float]]
    rows: dict[str, int]
    against: Champion
    question: str
    look: str | None
    stale: str | None
    op_id: str
    run_id: str

    @property
    def content(self) -> dict[str, Any]:
        """The judgement as JSON: what is signed."""
        said = to_json(self)
        return {one.name: said[one.name] for one in fields(Judgement)}


@dataclass(frozen=True, kw_only=True)
class AdapterVersion(Judgement):
    """A judgement as a version of the registered model; its page may have been edited since.

    `signature` is the judging machine's, None in versions of Pawl 0.1. `when` is UTC in ISO 8601.
    """

    version: int
    when: str
    signature: Signature | None = None

    @property
    def champion(self) -> Champion:
        """This version by number and digest, as ledger entries name it."""
        return Champion(self.version, self.digest)


def register(
    store: Store,
    judgement: Judgement,
    verdict: Verdict,
    *,
    signature: Signature,
    is_judged: Callable[[AdapterVersion], bool],
    worth: Worth | None = None,
) -> AdapterVersion:
    """Register the adapter that the run carries; returns the version, the same for an operation.

    Args:
        judgement: what was judged; `signature` is over it.
        verdict: for the page's text.
        is_judged: whether the signature on a version's page is valid. Anybody may add a version
            with this operation's id: one that is not signed is somebody else's.
    """
    task = judgement.task

    def registered() -> list[AdapterVersion]:
        same = (one for one in versions(store, task) if one.op_id == judgement.op_id)
        return [one for one in same if one.digest == judgement.digest and is_judged(one)]

    if earlier := registered():
        return earlier[0]
    with store_errors(store.uri):
        source = f"{store.client.get_run(judgement.run_id).info.artifact_uri}/{ADAPTER}"
    added = add_version(
        store,
        task,
        op_id=judgement.op_id,
        source=source,
        run_id=judgement.run_id,
        tags=_tags(judgement) | {SIGNATURE_TAG: _dumps(to_json(signature))},
        description=verdict_page(verdict, worth, stale=judgement.stale),
    )
    first = registered()[0]
    if first.version != int(added.version):
        # A slow server may carry out a request after its sender gave it up and sent another.
        name = store.named(task)
        with store_errors(store.uri):
            none_if_absent(lambda: store.client.delete_model_version(name, str(added.version)))
    return first


def _tags(judgement: Judgement) -> dict[str, str]:
    against = judgement.against
    tags = {f"pawl.{name}": getattr(judgement, name) for name in (*TEXTS, *OPTIONAL)}
    tags |= {f"pawl.{name}": _dumps(getattr(judgement, name)) for name in JSON}
    tags["pawl.against"] = "none" if against.version is None else str(against.version)
    tags["pawl.against_digest"] = against.digest or "none"
    return {name: value for name, value in tags.items() if value}


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def versions(store: Store, task: str) -> tuple[AdapterVersion, ...]:
    """All versions that Pawl registered, oldest first.

    One that a person added in MLflow is left out: it was never judged. So is one whose page was
    garbled (see `garbled_versions`). Two writers with one operation may both have added theirs; the
    first is the version. What is signed otherwise is another one: anybody may add a version.
    """
    first: dict[tuple[str, Signature | None], AdapterVersion] = {}
    for page in all_versions(store, task):
        if "pawl.digest" in page.tags:
            with suppress(RegistryError):
                version = _parse(page, task)
                said = digest_json(version.content)
                first.setdefault((said, version.signature), version)
    return tuple(first.values())


def garbled_versions(store: Store, task: str) -> dict[int, RegistryError]:
    """The versions whose pages cannot be read, with the reason, by number."""
    garbled = {}
    for page in all_versions(store, task):
        if "pawl.digest" in page.tags:
            try:
                _parse(page, task)
            except RegistryError as error:
                garbled[page.version] = error
    return garbled


def get(store: Store, task: str, version: int) -> AdapterVersion:
    """One version by its number.

    Raises:
        UsageError: there is no such version.
        RegistryError: its page was garbled.
    """
    registered = {one.version: one for one in versions(store, task)}
    if version in registered:
        return registered[version]
    if error := garbled_versions(store, task).get(version):
        raise error
    raise UsageError(
        f"task '{task}' has no version {version}",
        rule="a version is an adapter that a cycle judged and registered",
        remedy=f"registered: {', '.join(map(str, registered)) or 'none'}",
    )


def _parse(version: VersionPage, task: str) -> AdapterVersion:
    tags, number = version.tags, version.version
    try:
        against, digest = tags["pawl.against"], tags["pawl.against_digest"]
        said: dict[str, Any] = {name: tags[f"pawl.{name}"] for name in TEXTS}
        said |= {name: json.loads(tags[f"pawl.{name}"]) for name in JSON}
        said |= {name: tags.get(f"pawl.{name}") for name in OPTIONAL}
        signed, nobody = tags.get(SIGNATURE_TAG), against == digest == "none"
        return AdapterVersion(
            **said,
            signature=TypeAdapter(Signature).validate_json(signed) if signed else None,
            task=task,
            version=number,
            against=Champion() if nobody else Champion(int(against), digest),
            run_id=version.run_id or "",
            when=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(),
        )
    except (KeyError, ValueError) as error:
        raise RegistryError(
            f"version {number} of '{task}' lacks or garbles a tag: {error}",
            rule="a version's `pawl.` tags are written with it and not edited",
            remedy="put the tag back in MLflow, or restore the tracking store from its backup",
        ) from error
