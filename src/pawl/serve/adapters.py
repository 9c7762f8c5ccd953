"""The adapters on the base in memory: loaded, unloaded, and each row's own in one forward pass.

Only the engine's thread calls these: peft changes the model's modules in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pawl.core.records import AdapterManifest
from pawl.model.adapter import load_adapter


class Adapters:
    """Names are never used twice, so that nothing is reloaded under the name of another."""

    def __init__(self, base: Any) -> None:
        self._base = base
        self.model = base
        self._active: str | None = None
        self._loaded: dict[str, AdapterManifest] = {}
        self._made = 0

    def load(self, folder: Path, manifest: AdapterManifest) -> str:
        """Load a verified adapter; returns its name.

        Raises:
            AdapterError: it does not fit the base; what was loaded before stays as it was.
        """
        self._made += 1
        # Of our own making: peft refuses some names, and a task may have such a one.
        name = f"n{self._made}"
        try:
            self.model = load_adapter(self.model, folder, name=name)
        except BaseException:
            self._remove(name)
            raise
        self._loaded[name], self._active = manifest, name
        return name

    def unload(self, name: str) -> None:
        """Free an adapter's memory. The last one stays: peft's model needs one."""
        if name in self._loaded and len(self._loaded) > 1:
            del self._loaded[name]
            self._remove(name)

    def mixes(self, name: str) -> bool:
        """Whether its rows may share a pass with another's: peft cannot do that with DoRA."""
        manifest = self._loaded.get(name)
        return manifest is not None and not manifest.params.get("dora")

    def __call__(self, names: Sequence[str], **inputs: Any) -> Any:
        """The model's forward pass, each row with the adapter that it names."""
        several = set(names)
        if len(several) > 1:
            return self.model(**inputs, adapter_names=list(names))
        [one] = several
        if one not in self._loaded:
            raise ValueError(f"the adapter {one} is not loaded")
        if one != self._active:
            self.model.set_adapter(one)
            self._active = one
        return self.model(**inputs)

    def _remove(self, name: str) -> None:
        # Of one that failed half way, there may be nothing or a part.
        if self.model is not self._base:
            with suppress(Exception):
                self.model.delete_adapter(name)
        self._active = None
