"""What the README and the pages have a person type, typed: in a checkout, with an empty home."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from workbench import Bench

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
# Lines that are not typed here, and why.
LEFT_OUT = {
    "make test": "this is what runs",
    "make story": "half an hour; tests/flows has its three deliveries",
    "pawl new intents --data hf://": "asks a hub: tests/data/versions/test_fetch.py has one",
    "pawl data add https://": "asks a server: tests/data/versions/test_fetch.py has one",
    "pawl data add s3://": "asks a store of S3: tests/data/versions/test_fetch.py has one",
    "pawl data log intents": "of the task that the hub's rows make",
    "pawl ui": "serves until Ctrl-C: tests/flows/test_servers.py",
    "pawl serve": "serves until Ctrl-C: tests/serve has it, and its callers",
}
# Pages of which no block is typed here.
ELSEWHERE = {
    "docs/closed-tuner.md": "tests/cli/test_closed_tuner.py has such rows, and the verdict on them",
    "docs/gate.md": "tests/examples/test_voice.py goes its way",
    "docs/schedule.md": "tests/flows/test_deployed_cycle.py types it",
    "infra/README.md": "needs a container engine",
}
# What a reader has at hand and a test has not.
INSTEAD = {
    "meta-llama/Llama-3.2-1B-Instruct": str(ROOT / "base" / "tiny"),
    "/mnt/backup": "$HOME/backup",
    "TASK": "tickets",
}
IN_A_CHECKOUT = [
    "docs/recipes.md",
    "docs/inconclusive.md",
    "docs/serve.md",
    "docs/publish.md",
    "docs/data.md",
]
TYPED = {"README.md", "docs/start.md", "docs/your-task.md", "docs/rollback.md", "docs/backup.md"}


def blocks(page: str) -> list[str]:
    """The blocks of a page as a shell takes them here."""
    found = []
    for block in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        lines = [one for one in block.splitlines() if not one.startswith(tuple(LEFT_OUT))]
        text = "\n".join(lines)
        for written, had in INSTEAD.items():
            text = text.replace(written, had)
        found.append(text)
    return found


def typed(script: str, *, where: Path, home: Path, ok: tuple[int, ...] = (0,)) -> str:
    """Type a block into a shell; returns what it printed."""
    home.mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    env |= {"HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
    env["PATH"] = f"{Path(sys.executable).parent}:{os.defpath}"
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=where, env=env, capture_output=True, text=True
    )
    assert done.returncode in ok, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout with this environment, after the blocks of the README and the first page."""
    folder = tmp_path_factory.mktemp("reader") / "pawl"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    for lock in (*folder.glob("*.lock"), *folder.glob("infra/*.lock"), folder / "pyproject.toml"):
        os.utime(lock, (0, 0))  # the environment is there: nothing is to be installed
    for page in ("docs/start.md", "README.md"):
        typed("\n".join(blocks(page)), where=folder, home=folder.parent / "home")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", IN_A_CHECKOUT)
def test_what_a_page_has_a_person_type_after_the_first_cycle_works(
    page: str, checkout: Path
) -> None:
    typed("\n".join(blocks(page)), where=checkout, home=checkout.parent / "home")


@pytest.mark.slow
def test_the_demo_leaves_a_champion_that_answers_the_readmes_message(checkout: Path) -> None:
    line = next(line for line in "\n".join(blocks("README.md")).splitlines() if "predict" in line)
    assert '"category":"delivery","urgency":"high","order":"ORD-2023-41778"' in typed(
        line, where=checkout, home=checkout.parent / "home"
    )


@pytest.mark.slow
def test_a_task_of_ones_own_goes_from_rows_to_a_verdict(checkout: Path) -> None:
    home = checkout.parent / "home"
    rows = checkout / "examples" / "tickets" / "v1.jsonl"
    for name, count in (("rows.jsonl", 140), ("rows-of-december.jsonl", 160)):
        with rows.open("rb") as file:
            (home / name).write_bytes(b"".join(islice(file, count)))
    # Judged or inconclusive: so few rows prove little, and that is a verdict, too.
    script = "\n".join(blocks("docs/your-task.md"))
    for run in ("pawl run intents",):
        script = script.replace(run, f"{{ {run} || test $? -eq 3 -o $? -eq 4; }}")
    typed(script, where=checkout, home=home)


@pytest.mark.slow
def test_a_rollback_tonight(bench: Bench, tmp_path: Path) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    (block,) = blocks("docs/rollback.md")
    said = typed(block, where=bench.workspace.root, home=tmp_path / "home")
    assert "champion is version 1 now" in said


@pytest.mark.slow
def test_a_backup_is_made_and_restored_into_a_clone(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    home, root = tmp_path / "home", bench.workspace.root
    (root / ".gitignore").write_text("/.pawl/\n/build/\n*.pawl\n")
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "a workspace"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    backup, restore = blocks("docs/backup.md")
    typed(f"mkdir -p $HOME/backup\n{backup.replace('record.pawl --data', 'data.pawl --data')}",
          where=root, home=home)  # fmt: skip
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
    shutil.copyfile(root / "record.pawl", clone / "record.pawl")
    typed(restore, where=clone, home=home)


def test_each_page_with_commands_is_typed_by_a_test() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("infra/*.md")]
    have = {str(page.relative_to(ROOT)) for page in pages if BLOCK.search(page.read_text("utf-8"))}
    assert have == TYPED | set(IN_A_CHECKOUT) | set(ELSEWHERE)
    every = "\n".join(page.read_text("utf-8") for page in pages)
    assert not [line for line in LEFT_OUT if line not in every]
