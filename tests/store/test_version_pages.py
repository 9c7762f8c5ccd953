"""What MLflow's pages say of versions and ledger entries reads well in lists and on pages."""

from __future__ import annotations

import re

from workbench import TASK, Bench

from pawl.ledger.ledger import model
from pawl.release.release import promote, rollback
from pawl.release.retire import retire

# MLflow's list of versions shows so much of a description's first line, as plain text.
SHOWN = 32


def descriptions(bench: Bench, name: str) -> list[str]:
    """The descriptions of a registered model's versions, oldest first."""
    found = bench.store.client.search_model_versions(f"name = '{name}'")
    return [one.description for one in sorted(found, key=lambda one: int(one.version))]


def test_the_first_line_of_a_description_is_plain_and_short_enough_for_mlflows_list(
    bench: Bench,
) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    hand = {"who": "Bo", "why": "by hand"}
    promote(bench.workspace, bench.store, TASK, 2, override=True, **hand)
    rollback(bench.workspace, bench.store, TASK, **hand)
    bench.cycle(3, "reject")
    retire(bench.workspace, bench.store, TASK, 3, **hand)
    for name, first in ((TASK, ["promote", "reject", "reject"]), (model(TASK), None)):
        pages = [page.split("\n\n") for page in descriptions(bench, name)]
        lines = [page[0] for page in pages]
        assert lines == (
            first or ["look", "first: none → 1", "look", "override: 1 → 2", "rollback: 2 → 1",
                      "look", "retire: 3"]
        )  # fmt: skip
        assert all(len(line) <= SHOWN and not re.search(r"[*#`\[\]]", line) for line in lines)
    # The page itself is markdown, with links.
    assert f"[version 2](#/models/{TASK}/versions/2)" in pages[3][1]


def test_a_description_is_never_longer_than_a_database_takes_it(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    # SQLite takes any length; PostgreSQL and MySQL refuse more than the column's 5,000 characters.
    entry = promote(
        bench.workspace, bench.store, TASK, 2, override=True, who="Bo", why="because " * 1000
    )
    assert entry.why == ("because " * 1000).strip(), "the entry itself is whole"
    page = descriptions(bench, model(TASK))[-1]
    assert len(page) <= 5000
    assert page.endswith("cut here, for MLflow keeps 5,000 characters")
