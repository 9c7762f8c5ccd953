"""Functions that a workspace brings along, named `module:function` in `params.yaml`.

A module is looked for in the workspace's root first, then among the installed packages. One of
the workspace's own is read anew each time: a process that lives long, or serves two workspaces,
must neither run code that has since changed nor another workspace's module of the same name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pawl.errors import ParamsError
from pawl.files import digest_file, digest_json
from pawl.sources import local_sources

RULE = "`module:function` names a Python function of the workspace or of an installed package"


def load_function(name: str, root: Path) -> Callable[..., Any]:
    """Import `module:function`.

    Raises:
        ParamsError: there is no such module or function, it cannot be imported, or its file is
            a link that leads out of the workspace.
    """
    module, _, function = name.partition(":")
    function_file(name, root)
    with _looking_in(root):
        try:
            found = getattr(importlib.import_module(module), function, None)
        except Exception as error:  # the module is the user's code: it may raise anything
            raise _refused(name, f"raised {type(error).__name__} on import: {error}") from error
    if not callable(found):
        raise _refused(name, f"has no function '{function}'")
    return found  # type: ignore[no-any-return]  # callable() narrows no further


def function_file(name: str, root: Path) -> Path:
    """The file of a function's module, found without running it.

    Raises:
        ParamsError: as above.
    """
    module = name.partition(":")[0]
    with _looking_in(root):
        try:
            spec = importlib.util.find_spec(module)
        except Exception as error:  # a parent package is the user's code, and is run
            raise _refused(name, f"raised {type(error).__name__} on import: {error}") from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise _refused(name, "is no module with a file")
    path = Path(spec.origin)
    home = root.resolve()
    if path.absolute().is_relative_to(root.absolute()) and not path.resolve().is_relative_to(home):
        raise _refused(name, "is a link that leaves the workspace")
    return path


def function_digest(name: str, root: Path) -> str:
    """sha256 over the file that the function stands in and all local ones that it imports.

    A changed scorer asks a new question, and so does a changed helper of it.
    """
    module = name.partition(":")[0]
    sources = local_sources(module, function_file(name, root), root)
    return digest_json({called: digest_file(path) for called, path in sources.items()})


@contextmanager
def _looking_in(root: Path) -> Iterator[None]:
    before = set(sys.modules)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - before:
            if _belongs(name.partition(".")[0], root):
                del sys.modules[name]


def _belongs(package: str, root: Path) -> bool:
    return (root / f"{package}.py").exists() or (root / package).is_dir()


def _refused(name: str, found: str) -> ParamsError:
    module = name.partition(":")[0]
    return ParamsError(
        f"evaluate.scorers: '{name}': {module} {found}",
        rule=RULE,
        remedy=f"put {module.replace('.', '/')}.py into the workspace, or install its package",
    )
