"""The README's pictures, taken of a real run: `make pictures`.

The run is the story's (`make story`), or that of the workspace named. Each page is made from the
stored evidence, or served by `pawl ui`, and photographed in chromium. What is seen is what a user
sees; nothing is drawn by hand.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STORY = ROOT / ".pawl" / "story"
TASK = "tickets"
# The browser and the servers are driven as the tests drive them.
sys.path.insert(0, str(ROOT / "tests"))

from browser import Tab, browser  # noqa: E402
from servers import served  # noqa: E402

from pawl.commands.report import report, write_page  # noqa: E402
from pawl.cycle.verdict_page import gather  # noqa: E402
from pawl.report.verdict.page import page  # noqa: E402
from pawl.store.client import Store, open_store  # noqa: E402
from pawl.store.cycle_runs import cycle_of  # noqa: E402
from pawl.store.runs import fetch_evidence  # noqa: E402
from pawl.store.versions import get, versions  # noqa: E402
from pawl.workspace.paths import TaskFiles, Workspace  # noqa: E402

EVIDENCE = ("adapter", "check", "eval", "splits", "training.json", "verdict.json")


def main(root: Path, out: Path) -> None:
    """Take all pictures of the run in the workspace `root`."""
    workspace = Workspace(root)
    store = open_store(workspace)
    out.mkdir(parents=True, exist_ok=True)
    newest = versions(store, TASK)[-1].version
    promoted = max(one.version for one in versions(store, TASK) if one.verdict == "promote")
    with tempfile.TemporaryDirectory() as folder, browser() as tab:
        verdict = Path(folder) / "verdict.html"
        verdict.write_text(verdict_page(workspace, store, promoted), encoding="utf-8")
        take(tab, verdict.as_uri(), out / "verdict.png", height=1100)
        tab.ask("document.getElementById('flips').scrollIntoView()")
        tab.picture(out / "flips.png", whole=False)
        take(tab, verdict.as_uri(), out / "phone.png", width=390, height=844, dark=True)
        if newest != promoted:
            verdict.write_text(verdict_page(workspace, store, newest), encoding="utf-8")
            take(tab, verdict.as_uri(), out / "rejected.png", height=1100)
        trends = write_page(workspace, report(workspace, store, TASK))
        take(tab, trends.as_uri(), out / "trends.png", height=1000)
    with served(workspace) as ui, browser() as tab:
        runs = re.search(rf"{TASK}: (http\S+)", ui.said)
        assert runs, ui.said
        take(tab, runs[1], out / "mlflow.png", width=1500, height=700)
        tab.wait_for("document.body.innerText.includes('decided by')")
        # MLflow's assistant stands before the table at first.
        tab.ask(
            "document.querySelectorAll('button[aria-label=Close]').forEach(one => one.click()),"
            "new Promise(done => setTimeout(done, 2000))"
        )
        tab.picture(out / "mlflow.png", whole=False)
    print("\n".join(str(path.relative_to(out)) for path in sorted(out.glob("*.png"))))


def verdict_page(workspace: Workspace, store: Store, version: int) -> str:
    """The verdict page of a version, from the evidence on its run."""
    run = get(store, TASK, version).run_id
    with tempfile.TemporaryDirectory() as folder:
        fetch_evidence(store, run, EVIDENCE, into=Path(folder))
        return page(gather(workspace, store, cycle_of(store, run), TaskFiles(Path(folder))))


def take(
    tab: Tab, url: str, path: Path, *, width: int = 1000, height: int = 900, dark: bool = False
) -> None:
    """A picture of a page as a window of this size shows it."""
    tab.send("Emulation.setScrollbarsHidden", hidden=True)
    tab.open(url, width=width, height=height, dark=dark)
    tab.picture(path, whole=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else STORY, ROOT / "docs" / "pictures")
