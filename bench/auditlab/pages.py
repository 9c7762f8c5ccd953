"""Pages of versions and runs, against the judgements that a machine signed."""

from __future__ import annotations

import json
from contextlib import suppress

from auditlab.trust import is_signed, sha256

SAME = (
    "digest", "manifest", "base", "base_digest", "data", "data_md5", "commit", "evidence",
    "verdict", "question", "look", "stale", "op_id",
)  # fmt: skip
JSON = ("params", "scores", "rows")


def judged_pages(record, looks):
    """What is wrong with the versions' pages, and with what the cycles' runs say of them."""
    old, said = dict(looks), []
    for number, version in record.versions.items():
        tags, name = version.tags, f"I6: version {number}"
        if "pawl.digest" not in tags:
            continue  # somebody's own: Pawl takes no notice of it
        if is_signed(
            tags.get("pawl.judged"), "judgement", judgement(record.task, version), record.keys
        ):
            said += [f"{name}: {text}" for text in against_evidence(record, version)]
        elif "pawl.judged" in tags:
            said.append(f"{name}: its page says something else than was signed, or by no given key")
        else:
            # A judgement of before is vouched for by its look.
            look = old.pop(tags.get("pawl.look"), None)
            old_one = look and not look["signature"]
            if not (old_one and look["body"]["why"].endswith(tags["pawl.digest"][:12])):
                said.append(f"{name}: no machine signed its judgement")
    return said + list(cycles(record))


def judgement(task, version):
    """What the judging machine signed, as the page tells it."""
    tags = version.tags
    against, digest = tags.get("pawl.against"), tags.get("pawl.against_digest")
    told = {name: tags.get(f"pawl.{name}") for name in SAME}
    for name in JSON:
        with suppress(KeyError, ValueError):
            told[name] = json.loads(tags[f"pawl.{name}"])
    one = {"version": None, "digest": None}
    if (against, digest) != ("none", "none"):
        # What is no number was not signed, and stays what it is.
        number = int(against) if str(against).isdecimal() else against
        one = {"version": number, "digest": digest}
    return told | {"task": task, "run_id": version.run_id or "", "against": one}


def against_evidence(record, version):
    """Where a signed page and the verdict that it names differ."""
    tags, raw = version.tags, record.files.read(version.run_id, "verdict.json")
    if sha256(raw) != tags.get("pawl.evidence"):
        return ["its stored verdict is gone, or is another file"]
    verdict = json.loads(raw)
    paper = record.files.read(version.run_id, "adapter/pawl.json")
    other = paper and "pawl.manifest" in tags and sha256(paper) != tags["pawl.manifest"]
    said = ["its adapter's manifest is another one"] if other else []
    for key in ("scores", "rows"):
        told = None
        with suppress(KeyError, ValueError):
            told = json.loads(tags[f"pawl.{key}"])
        said += [] if told == verdict[key] else [f"its page has other {key} than its verdict"]
    return said


def cycles(record):
    """Runs whose tag says something else than the cycle's file, or than the version's page."""
    experiment = record.client.get_experiment_by_name(record.client.named(record.task))
    if experiment is None:
        return
    for run in record.client.search_runs([experiment.experiment_id], max_results=50_000):
        tag, name = run.data.tags.get("pawl.cycle"), f"I1: run {run.info.run_id}"
        try:
            told = json.loads(tag) if tag else None
            stored = json.loads(record.files.read(run.info.run_id, "cycle.json") or b"null")
            cycle = told or stored or {"candidate": {}}
            version = record.versions.get(cycle["candidate"].get("version"))
        except (AttributeError, KeyError, ValueError) as error:
            yield f"{name} carries no cycle: {error!r}"
            continue
        if told is not None and told != stored:
            yield f"{name}: its tag tells another cycle than its file"
        elif (
            version
            and cycle["verdict"] in ("promote", "reject")
            and cycle["verdict"] != version.tags.get("pawl.verdict")
        ):
            yield f"{name} tells another verdict than version {version.version} was given"
