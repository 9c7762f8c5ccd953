"""What looks cost, by a second reading of the rules in docs/adr/0007."""

from __future__ import annotations

from collections import defaultdict

ROUNDING = 1 + 1e-9


def paid_looks(entries):
    """The looks that count, by the question they were paid for: entry, level and budget's start.

    All budgets of a task share one alpha: its k-th may spend alpha / (k (k + 1)).
    """
    splits = defaultdict(lambda: {"looks": 0, "since": 1, "may": 0.0, "spent": 0.0})
    budgets = largest = 0
    paid, seen = {}, set()
    for entry in entries:
        body, of = entry["body"], entry["body"]["details"]
        if body["op_id"] in seen:
            continue
        seen.add(body["op_id"])
        if body["kind"] != "look" or (of["lineage"], of["question"]) in paid or of["rows"] < 1:
            continue
        split, level = splits[of["lineage"]], of["level"]
        number = split["looks"] + 1
        if of["since"] == number and of["rows"] >= largest:
            share = of["alpha"] / ((budgets + 1) * (budgets + 2))
            if level > share * ROUNDING:
                continue
            budgets += 1
            split.update(looks=number, since=number, may=share, spent=level)
        elif of["since"] == split["since"] and split["looks"]:
            if split["spent"] + level > split["may"] * ROUNDING:
                continue
            split.update(looks=number, spent=split["spent"] + level)
        else:
            continue
        largest = max(largest, of["rows"])
        paid[of["lineage"], of["question"]] = entry
    return {question: entry for (_, question), entry in paid.items()}
