"""Names of Pawl 0.1 that the flows of workspaces import, and where each is now.

`pawl init` copies `flows/retrain.py` into a workspace, and people change it there. A flow written
for 0.1 imports modules that have moved since; this importer answers for them, so that `pawl run`
and Prefect's workers run it as before. Nothing of Pawl itself may use these names. A flow of today
imports `pawl.cycle.steps`, which stays.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# An earlier name, and the module and name of today.
NAMES = {
    "pawl.data.inputs.question": "pawl.workspace.fingerprints.cycle_fingerprint",
    "pawl.fitness.read_check": "pawl.data.report.check_summary.read_check",
    "pawl.fitness.verdict": "pawl.data.report.check_summary.summary_text",
    "pawl.records.Cycle": "pawl.core.records.Cycle",
    "pawl.records.to_json": "pawl.core.records.to_json",
    "pawl.registry.before.snapshot_profile": "pawl.cycle.champion_profile.snapshot_profile",
    "pawl.registry.cycles.answered": "pawl.cycle.unjudged.find_cached_version",
    "pawl.registry.cycles.catch_up": "pawl.cycle.conclude.deliver_outbox",
    "pawl.registry.cycles.conclude": "pawl.cycle.conclude.conclude",
    "pawl.registry.cycles.conclude_invalid": "pawl.cycle.unjudged.conclude_invalid",
    "pawl.registry.cycles.unchanged": "pawl.cycle.unjudged.conclude_unchanged",
    "pawl.registry.describe.check_page": "pawl.report.markdown.check_page",
    "pawl.registry.describe.cycle_page": "pawl.report.markdown.cycle_page",
    "pawl.registry.keys.signing_key": "pawl.ledger.keys.signing_key",
    "pawl.registry.known.snapshot_known": "pawl.cycle.snapshots.snapshot_held_out",
    "pawl.registry.live.shown_live": "pawl.store.live_run.shown_live",
    "pawl.registry.looks.reserve_look": "pawl.ledger.looks.reserve_look",
    "pawl.registry.outbox.begin": "pawl.cycle.outbox.begin",
    "pawl.registry.outbox.end": "pawl.cycle.outbox.end",
    "pawl.registry.outbox.waits": "pawl.cycle.outbox.waiting_error",
    "pawl.registry.provenance.author": "pawl.ledger.provenance.author",
    "pawl.registry.snapshot.read_state": "pawl.ledger.state.read_state",
    "pawl.registry.snapshot.snapshot_champion": "pawl.cycle.snapshots.snapshot_champion",
    "pawl.registry.store.open_store": "pawl.store.client.open_store",
    "pawl.report.worth.read_worth": "pawl.evaluate.worth.read_worth",
    "pawl.stage.reproduce": "pawl.workspace.stages.reproduce",
    "pawl.stage.turn": "pawl.workspace.lock.workspace_lock",
    "pawl.workspace.Workspace": "pawl.workspace.paths.Workspace",
    "pawl.workspace.find_workspace": "pawl.workspace.paths.find_workspace",
}
MODULES = {"pawl.registry", *(name.rpartition(".")[0] for name in NAMES)}


class EarlierNames(MetaPathFinder, Loader):
    """Makes a module of an earlier name; what it holds is imported when it is asked for."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for the earlier modules alone; asked last, after every real module."""
        if fullname not in MODULES:
            return None
        return ModuleSpec(fullname, self, is_package=fullname == "pawl.registry")

    def exec_module(self, module: ModuleType) -> None:
        """Give the module a `__getattr__` (PEP 562) that imports from today's place."""
        module.__dict__["__getattr__"] = lambda name: look_up(module.__name__, name)


def look_up(module: str, name: str) -> object:
    """Return what the name of an earlier module leads to.

    Raises:
        AttributeError: it leads to nothing.
    """
    if (today := NAMES.get(f"{module}.{name}")) is None:
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    place, _, name = today.rpartition(".")
    found: object = getattr(import_module(place), name)
    return found


def install() -> None:
    """Have the import system ask `EarlierNames` after its own finders, once."""
    if not any(isinstance(finder, EarlierNames) for finder in sys.meta_path):
        sys.meta_path.append(EarlierNames())
