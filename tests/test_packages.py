"""The lock files: whole, hashed, what is installed here, and nothing else gets in."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
MAIN = (ROOT / "requirements.lock", ROOT / "infra/torch.lock")
LOCKS = (ROOT / "requirements.lock", *sorted(ROOT.glob("infra/*.lock")))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def entries(*locks: Path) -> dict[str, list[tuple[Requirement, set[str]]]]:
    """What lock files pin: by name, each version with its hashes."""
    found: dict[str, list[tuple[Requirement, set[str]]]] = {}
    for lock in locks:
        text = re.sub(r"(?m)^#.*\n", "", lock.read_text(encoding="utf-8")).replace("\\\n", " ")
        for line in text.splitlines():
            pin, *hashes = line.split("--hash=")
            requirement = Requirement(pin)
            name = canonicalize_name(requirement.name)
            found.setdefault(name, []).append((requirement, {each.strip() for each in hashes}))
    return found


def test_every_entry_is_one_version_with_its_hashes() -> None:
    for lock in LOCKS:
        for name, pins in entries(lock).items():
            for requirement, hashes in pins:
                assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), (lock, name)
                assert hashes, (lock, name)
                assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), (
                    lock,
                    name,
                )


def test_the_lock_files_name_the_same_version_of_a_package() -> None:
    for name, pins in entries(*LOCKS).items():
        assert len({str(requirement.specifier) for requirement, _ in pins}) == 1, name


def test_the_lock_has_what_pyproject_asks_for() -> None:
    pins = entries(*MAIN)
    asked = list(PROJECT["project"]["dependencies"])
    for extra in ("train", "pipeline", "dev"):
        asked += PROJECT["project"]["optional-dependencies"][extra]
    for requirement in map(Requirement, asked):
        (locked, _), *_ = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(str(locked.specifier).removeprefix("==")), requirement


def test_these_tests_run_on_the_versions_of_the_lock() -> None:
    here = {}
    for name, pins in entries(*MAIN).items():
        for requirement, _ in pins:
            if requirement.marker is None or requirement.marker.evaluate():
                try:
                    here[name] = requirement.specifier.contains(version(name))
                except PackageNotFoundError:
                    here[name] = False
    assert not [name for name, same in here.items() if not same]


def test_what_is_installed_lacks_nothing() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_package_with_other_bytes_is_not_installed(tmp_path: Path) -> None:
    (pin, hashes), *_ = entries(ROOT / "requirements.lock")["iniconfig"]
    wheel = tmp_path / f"iniconfig-{str(pin.specifier)[2:]}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("iniconfig/__init__.py", "print('not the one that was locked')")
    lock = tmp_path / "lock"
    lock.write_text(f"{pin} {' '.join(f'--hash={each}' for each in sorted(hashes))}\n")
    command = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--no-deps"]
    command += ["--require-hashes", "--find-links", str(tmp_path), "-r", str(lock)]
    command += ["--target", str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "site").exists()
