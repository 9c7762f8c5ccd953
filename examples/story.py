"""Three deliveries of `tickets`, told in a workspace of their own: `make story`.

v1 promotes over the baselines, v2 over v1, v3 (half of it damaged labels) is rejected; then a
rollback to v1 and forward again. Nothing here decides an outcome: each is read from `pawl`'s own
answers, and the story fails if one is not as told.
"""

from __future__ import annotations

import sys

from workspace import ROOT, Example

STORY = Example(ROOT / ".pawl" / "story", author="Pawl's story")
TOLD = {"v1": "promote", "v2": "promote", "v3": "reject"}


def main() -> None:
    """Tell the story in a fresh workspace and say what came of it."""
    begin()
    told: dict[str, str] = {}
    for version in TOLD:
        print(f"\n=== {version}: a delivery arrives, the cycle runs", flush=True)
        deliver(version)
        told[version] = STORY.cycle().verdict
    print("\n=== back to the first champion, and forward again", flush=True)
    STORY.ask("rollback", "tickets", "--reason", "support sees odd urgencies; back while we look")
    print(f"champion: version {champion()}")
    reason = "it was the template, not the adapter"
    STORY.ask("rollback", "tickets", "--to", "2", "--reason", reason)
    print(f"champion: version {champion()}")
    for entry in STORY.ask("history", "tickets"):
        print(f"  {entry['kind']:9} version {entry['version']}  {entry['why']}")
    print(f"\nsee it: cd {STORY.folder.relative_to(ROOT)} && pawl ui")
    if told != TOLD or champion() != 2:
        sys.exit(f"the story went otherwise: {told}, champion {champion()}")


def begin() -> None:
    """A new workspace with the task, set up as this repository's own."""
    STORY.begin()
    data = ROOT / "data"
    STORY.run(
        *("new", "tickets", "--data", str(ROOT / "examples" / "tickets" / "v1.jsonl")),
        *("--schema", str(data / "tickets.schema.json")),
        *("--prompt", str(data / "tickets.prompt.md"), "--base", str(ROOT / "base" / "tiny")),
    )
    # The recipe and the policy are those of the repository's own task; only the base's path is not.
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (STORY.folder / "params.yaml").write_text(
        text.replace("model: base/tiny", f"model: {ROOT / 'base' / 'tiny'}"), encoding="utf-8"
    )
    STORY.git("add", "--all")
    STORY.git("commit", "--quiet", "--message", "tickets v1")


def deliver(version: str) -> None:
    """Make a delivery the task's data and commit it; the first one has come with the task."""
    rows = ROOT / "examples" / "tickets" / f"{version}.jsonl"
    STORY.run("data", "add", str(rows), "--commit", f"tickets {version}")


def champion() -> int | None:
    """The champion's version, as `pawl status` says it."""
    version: int | None = STORY.ask("status", "tickets")["champion"]["version"]
    return version


if __name__ == "__main__":
    main()
