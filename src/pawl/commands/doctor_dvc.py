"""What `pawl doctor` examines of DVC and git: whom they let in, and whom they refuse."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pawl.core.processes import run
from pawl.core.records.commands import Finding
from pawl.errors import UsageError
from pawl.workspace.dvc_calls import OTHERS
from pawl.workspace.environment import SITE_CACHE
from pawl.workspace.paths import Workspace

# Where DVC keeps its pickles unless told otherwise; everybody may write there.
BY_ITSELF = Path("/var/tmp/dvc")  # noqa: S108 - the name of the danger


def examine_owner(workspace: Workspace) -> Iterator[Finding]:
    """Whether this user may write here, and git is content with who owns the workspace."""
    places = [workspace.root, *(workspace.root / name for name in (".pawl", "build", "data"))]
    closed = [str(place) for place in places if place.exists() and not os.access(place, os.W_OK)]
    owner = f"its owner is user {workspace.root.stat().st_uid}"
    says = f"cannot be written: {', '.join(closed)}; {owner}: work as that user, or `chown -R` it"
    yield Finding("owner", not closed, says if closed else "can be written")
    if not (workspace.root / ".git").exists() or shutil.which("git") is None:
        return
    try:
        command = ("git", "rev-parse", "--git-dir")
        run(workspace.root, *command, rule="git works here", remedy="do what it says")
    except UsageError as error:
        yield Finding("git repository", False, str(error))


def examine_dvc(workspace: Workspace) -> Iterator[Finding]:
    """Whether others may put pickles where DVC reads them, and which remotes are taken unread."""
    folder = workspace.root / ".dvc"
    if not folder.is_dir():
        return
    try:
        # DVC ships no types.
        from dvc.config import Config, ConfigError  # type: ignore[import-untyped]
    except ImportError:
        return  # one of the packages
    try:
        config: Any = Config(str(folder))
    except ConfigError as error:
        yield Finding("DVC's configuration", False, f"{error}: correct .dvc/config")
        return
    yield _state(workspace, os.environ.get(SITE_CACHE) or config["core"].get("site_cache_dir"))
    for name, remote in config["remote"].items():
        # A remote that DVC cannot verify has no such option.
        if remote.get("verify") is False:
            says = f"its bytes are taken unread: `dvc remote modify {name} verify true`"
            yield Finding(f"DVC remote {name}", False, says)


def _state(workspace: Workspace, named: str | None) -> Finding:
    """Whether DVC's own calls, by the user, read pickles that only the owner may write."""
    what, state = "DVC's state", workspace.dvc_state
    private = shlex.quote(str(state))
    ours = f"mkdir -p -m 700 {private} && dvc config --local core.site_cache_dir {private}"
    if not private.isascii():  # DVC cannot write it into its configuration
        ours = f"mkdir -p -m 700 {private} && export {SITE_CACHE}={private}"
    if named is None or Path(named).is_relative_to(BY_ITSELF):
        says = f"your own calls of dvc read pickles below {BY_ITSELF}, where everybody may write"
        return Finding(what, False, f"{says}: {ours}")
    folder = Path(named)
    if not folder.is_absolute():
        return Finding(what, False, f"DVC takes {named} from the folder it is called in: {ours}")
    if folder != state and folder.parent.name == ".pawl":
        return Finding(what, False, f"{named} is another workspace's: {ours}")
    if folder.is_dir() and folder.stat().st_mode & OTHERS:
        return Finding(what, False, f"others may enter it: rm -rf {shlex.quote(named)} && {ours}")
    return Finding(what, True, f"{named}, for its owner alone")
