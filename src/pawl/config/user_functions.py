"""Functions that a workspace brings along, named `module:function` in `params.yaml`.

A module is looked for in the workspace's root first, then among the installed packages. One of
the workspace's own is read anew each time: a process that lives long, or serves two workspaces,
must neither run code that has since changed nor another workspace's module of the same name.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pawl.config.code_digest import local_sources
from pawl.core.files import digest_file, digest_json
from pawl.errors import ParamsError, nearest

RULE = "`module:function` names a Python function of the workspace or of an installed package"

# A module with one of these among its names may have any other.
ANYTHING = {"*", "__getattr__"}


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


def undefined(name: str, root: Path) -> tuple[str, str, str] | None:
    """What is wrong with `module:function` as far as can be told without running any code.

    Only a module of the workspace is read; of an installed package just its first name is sought.

    Returns:
        What was found, the rule and the remedy; None where nothing speaks against it.
    """
    module, _, function = name.partition(":")
    path = _own_file(module, root)
    if path is None:
        if _installed(module, root):
            return None
        folder = root.joinpath(*module.split(".")[:-1])
        there = [f.stem for f in (folder.glob("*.py") if folder.is_dir() else ())]
        found = f": '{name}': there is no module '{module}'"
        return found, RULE, nearest(module.split(".")[-1], there)
    try:
        defined = _top_names(ast.parse(path.read_bytes()).body)
    except (SyntaxError, ValueError, RecursionError) as error:
        return f": '{name}': {path.name} is no Python: {error}", RULE, "mend the file"
    if function in defined or not defined.isdisjoint(ANYTHING):
        return None
    return f": '{name}': {path.name} defines no '{function}'", RULE, nearest(function, defined)


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


def _own_file(module: str, root: Path) -> Path | None:
    """The file of a module of the workspace; a package comes before a module of the same name."""
    at = root.joinpath(*module.split("."))
    return next((f for f in (at / "__init__.py", at.with_suffix(".py")) if f.is_file()), None)


def _installed(module: str, root: Path) -> bool:
    top = module.partition(".")[0]
    if _belongs(top, root):
        return False
    # Finding a name without a dot imports nothing.
    return top in sys.modules or importlib.util.find_spec(top) is not None


def _top_names(body: Iterable[ast.stmt]) -> set[str]:
    """Names that a module's code binds, also below `if` and `try`."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        found = (n for n in ast.walk(node) if isinstance(n, ast.Name))
        names |= {n.id for n in found if isinstance(n.ctx, ast.Store)}
        for part in ("body", "orelse", "finalbody"):
            names |= _top_names(getattr(node, part, ()))
        for handler in getattr(node, "handlers", ()):
            names |= _top_names(handler.body)
    return names


def _belongs(package: str, root: Path) -> bool:
    return (root / f"{package}.py").exists() or (root / package).is_dir()


def _refused(name: str, found: str) -> ParamsError:
    module = name.partition(":")[0]
    return ParamsError(
        f"evaluate.scorers: '{name}': {module} {found}",
        rule=RULE,
        remedy=f"put {module.replace('.', '/')}.py into the workspace, or install its package",
    )
