"""The ledger by a second reading: its chain, what counts, and the champion that follows."""

from __future__ import annotations

import json
from datetime import datetime

from auditlab.trust import sha256, vouched

EARNED, BY_HAND = ("first", "promote"), ("override", "rollback", "adopt")
PRICE = ("lineage", "question", "level", "alpha", "since", "rows")
NOBODY = {"version": None, "digest": None}


def read_ledger(client, task):
    """The entries, and what is wrong with their chain: pairs of entry number and text."""
    entries, found, known, last = [], [], {""}, 0
    for version in every_version(client, f"{task}.ledger"):
        number = int(version.version)
        found += [(gap, f"I1: ledger entry {gap} is gone") for gap in range(last + 1, number)]
        last = number
        try:
            body = json.loads(version.tags["pawl.entry"])
            follows = {body["previous"], *body["details"].get("beside", ())}
            _ = body["op_id"], body["new"], datetime.fromisoformat(body["when"]).utcoffset()
            _ = [body["details"][key] for key in PRICE if body["kind"] == "look"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            found.append((number, f"I1: ledger version {number} is no entry ({error!r})"))
            continue
        if not follows <= known:
            found.append((number, f"I1: entry {number} follows no earlier one"))
        signature, digest = version.tags.get("pawl.signature"), sha256({**body, "number": number})
        known.add(digest)
        entry = {"number": number, "body": body, "digest": digest}
        entries.append(
            entry | {"follows": follows - {""}, "signature": signature, "tags": version.tags}
        )
    return entries, found


def carried(client, task, entries, pems):
    """The entries of the task that this one goes on from, as if they were its own, and faults."""
    if not entries or entries[0]["body"]["kind"] != "continue":
        return [], []
    said, number = entries[0]["body"]["details"], entries[0]["number"]
    before, _ = read_ledger(client, said["task"])
    if pems and any(entry["signature"] for entry in before):
        counted = vouched(before, f"{said['task']}.ledger", pems)
        before = [entry for entry in before if entry["number"] in counted]
    before = [entry for entry in before if entry["number"] <= said["entry"]]
    if [entry["digest"] for entry in before[-1:]] != [said["digest"]]:
        return [], [(number, f"I1: '{said['task']}' has no such entry as {task} goes on from")]
    earlier, found = carried(client, said["task"], before, pems)
    moved = []
    for entry in (*earlier, *before):
        details = dict(entry["body"]["details"])
        if entry["body"]["kind"] == "look":
            details["lineage"] = f"{task}/{details['lineage'].removeprefix(said['task'] + '/')}"
        moved.append({**entry, "body": {**entry["body"], "details": details}})
    return moved, found


def unsigned(entries, counting):
    """Entries that no key vouches for, and those that must have lost their signature."""
    signed = [entry["number"] for entry in entries if entry["signature"]]
    for entry in entries:
        number, name = entry["number"], f"I6: entry {entry['number']} ({entry['body']['kind']})"
        if number not in counting:
            how = "signed with no key that was given" if entry["signature"] else "not signed"
            yield number, f"{name} is {how}: it counts for nothing"
        elif not entry["signature"] and number > min(signed):
            yield number, f"{name} is not signed, though earlier ones are"


def shown_wrongly(entries):
    """Where the tags of an entry's page, which people read, say something else than the entry."""
    for entry in entries:
        body, tags, number = entry["body"], entry["tags"], entry["number"]
        right = {key: body[key] for key in ("kind", "who", "op_id")}
        for key, champion in {"from": body["expected"], "to": body["new"]}.items():
            if body["new"]:
                right[key] = f"version {champion['version']}" if champion["version"] else "none"
        for key, text in right.items():
            if tags.get(f"pawl.{key}", text) != text:
                yield number, f"I6: entry {number}: its page shows another {key}"


def fold(entries, found):
    """The releases that count, the champion, and the retired ones."""
    releases, champion, seen, retired = [], NOBODY, set(), []
    for entry in entries:
        body, number = entry["body"], entry["number"]
        new, kind = body["new"], body["kind"]
        if body["op_id"] in seen or kind in ("look", "relabel", "continue", "approve"):
            continue
        seen.add(body["op_id"])
        if kind not in (*EARNED, *BY_HAND, "retire"):
            found.append((number, f"I1: entry {number} is of no known kind: {kind}"))
        elif body["expected"] == champion and kind == "retire":
            gone = {key: body["details"][key] for key in NOBODY}
            retired += [gone] if gone != champion else []
        elif body["expected"] == champion and new is not None and new not in retired:
            if kind == "rollback" and new not in [release["body"]["new"] for release in releases]:
                found.append((number, f"I1: entry {number} rolls back to what never was champion"))
            releases.append(entry)
            champion = new
    return releases, champion, retired


def accepted(adoptions):
    """Numbers of the entries whose fault a person has accepted."""
    numbers = set()
    for entry in adoptions:
        details = entry["body"]["details"]
        numbers |= {*details.get("accepted", ())}
        numbers |= {*range(details.get("after", entry["number"]), entry["number"])}
    return numbers


def rows_of(record, entry):
    """Whether the rows that a look or a relabel brought are still those."""
    for key in ("known", "relabels", "removed"):
        ref = entry["body"]["details"].get(key)
        if ref and sha256(record.files.read(ref["run"], ref["name"])) != ref["digest"]:
            yield f"I1: entry {entry['number']}: its rows ({ref['name']}) are gone or altered"


def every_version(client, model):
    found = client.search_model_versions(f"name = '{client.named(model)}'", max_results=100_000)
    return sorted(found, key=lambda version: int(version.version))
