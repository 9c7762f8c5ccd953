"""axe-core, which judges whether a page can be used by everybody; npm brings it once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from browser import Tab

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
CACHE = Path(__file__).parents[1] / ".pytest_cache" / f"axe-core-{VERSION}.js"


def source() -> str:
    """The library's text; the test is skipped where npm cannot bring it."""
    if not CACHE.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not there, which brings axe-core")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [npm, "pack", "--silent", f"axe-core@{VERSION}"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=120,
            )
            if done.returncode:
                pytest.skip(f"npm could not bring axe-core: {done.stderr.strip()[-200:]}")
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as packed:
                found = packed.extractfile("package/axe.min.js")
                assert found is not None
                CACHE.parent.mkdir(exist_ok=True)
                CACHE.write_bytes(found.read())
    text = CACHE.read_bytes()
    assert hashlib.sha256(text).hexdigest() == SHA256
    return text.decode("utf-8")


def findings(tab: Tab) -> list[str]:
    """What axe finds serious or critical on the open page, every section of it opened."""
    tab.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
    tab.ask(f"{source()}; 0")
    found: list[dict[str, Any]] = tab.ask("""axe.run().then(found => found.violations.map(
      one => ({id: one.id, impact: one.impact, help: one.help,
               nodes: one.nodes.map(node => node.html.slice(0, 120))})))""")
    return [
        f"{one['impact']} {one['id']}: {one['help']} {one['nodes'][:3]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
