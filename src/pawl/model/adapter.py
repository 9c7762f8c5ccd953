"""An adapter folder: the files that peft and vLLM load, and the manifest `pawl.json`.

The folder holds exactly the names in `FILES` and the manifest. It is verified, digests first,
before it is scored, registered, released or served.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.core.files import digest_files
from pawl.core.records import QUANTISATION, AdapterManifest, read_record
from pawl.errors import AdapterError
from pawl.model.lora_config import read_lora
from pawl.model.weights import check_weights

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "pawl.json"
FILES = (CONFIG, WEIGHTS)


def read_adapter(folder: Path, *, base: str | None = None) -> AdapterManifest:
    """Verify an adapter folder (digests, configuration, weights; no torch); return its manifest.

    Args:
        folder: the adapter folder.
        base: digest of the base that it must fit; None skips that check.

    Raises:
        AdapterError: a file is missing, altered, a link or unexpected; its configuration or weights
            are not a plain LoRA's; or it was trained on another base.
    """
    refuse_links(folder)
    if not folder.is_dir():
        raise AdapterError(f"there is no adapter at {folder}", remedy="train one: `pawl run TASK`")
    names = {path.name for path in folder.iterdir()}
    if names != {*FILES, MANIFEST} or any(map(_is_odd, folder.iterdir())):
        odd = sorted(names ^ {*FILES, MANIFEST}) or ["a symbolic link or a folder"]
        raise AdapterError(
            f"the adapter folder {folder} has missing or unexpected files: {', '.join(odd)}",
            rule=f"an adapter is the regular files {', '.join((*FILES, MANIFEST))} and no others",
            remedy="fetch the version again, or train it again",
        )
    manifest = read_record(folder / MANIFEST, AdapterManifest)
    if set(manifest.files) != set(FILES):
        raise AdapterError(
            f"{folder / MANIFEST} names {', '.join(sorted(manifest.files)) or 'no file'}",
            rule=f"a manifest names {' and '.join(FILES)} and nothing else",
            remedy="fetch the version again, or train it again",
        )
    for name, digest in digest_files(folder, FILES).items():
        if manifest.files[name] != digest:
            raise AdapterError(
                f"{folder / name} has digest {digest[:12]}",
                rule=f"the manifest has {manifest.files[name][:12]}",
                remedy="its bytes changed after training: fetch the version again",
            )
    lora = read_lora(folder / CONFIG, manifest)
    check_weights(folder / WEIGHTS, lora)
    if manifest.quantisation != QUANTISATION:
        raise AdapterError(
            f"the adapter was trained on weights quantised as '{manifest.quantisation}'",
            rule=f"this version of Pawl quantises a base's weights as '{QUANTISATION}'",
            remedy="train it again with this version",
        )
    if base is not None and manifest.base.digest != base:
        raise AdapterError(
            f"the adapter was trained on base {manifest.base.digest[:12]} ({manifest.base.model})",
            rule=f"it works only on that base; the base here is {base[:12]}",
            remedy="restore that base (`dvc checkout`), or train a new adapter",
        )
    return manifest


def _is_odd(path: Path) -> bool:
    return path.is_symlink() or not path.is_file()


def refuse_links(folder: Path) -> None:
    """Refuse a folder that is a link, or is reached by one that leads out of its workspace.

    A link's target can be replaced after it was verified.

    Raises:
        AdapterError: names the link.
    """
    places = (folder.absolute(), *folder.absolute().parents)
    roots = [place for place in places if (place / "params.yaml").is_file()]
    links = [folder] if folder.is_symlink() else []
    if roots:
        root = roots[-1]
        below = (place for place in places if place != root and place.is_relative_to(root))
        links += [p for p in below if not p.resolve().is_relative_to(root.resolve())]
    if links:
        raise AdapterError(
            f"{folder} lies behind the link {links[-1]} to {links[-1].resolve()}",
            rule="an adapter is a folder of its own, inside the workspace",
            remedy="remove the link; `pawl run` or `pawl status` restores the files",
        )


def load_adapter(model: PreTrainedModel, folder: Path, *, name: str) -> PeftModel:
    """Load a verified adapter onto the base as `name`, frozen, and make it the active one.

    Raises:
        AdapterError: a weight is missing, unexpected, of another shape, not finite, or all `B`
            are zero (the adapter would be the base). peft only warns of missing weights.
    """
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import load_file

    try:
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), adapter_name=name, is_trainable=False)
            peft = model
        else:
            peft = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
    except (RuntimeError, ValueError) as error:
        if not re.search("size mismatch|not found in the base model", str(error)):
            raise
        raise _misfit(folder, str(error).splitlines()[0]) from error
    peft.set_adapter(name)
    saved = {key: value.shape for key, value in load_file(folder / WEIGHTS).items()}
    loaded = get_peft_model_state_dict(peft, adapter_name=name)
    shapes = {key: value.shape for key, value in loaded.items()}
    if saved != shapes:
        odd = sorted(set(saved) ^ set(shapes)) or [k for k in saved if saved[k] != shapes[k]]
        raise _misfit(folder, f"{len(odd)} weights, first {odd[0]}")
    if not all(bool(torch.isfinite(value).all()) for value in loaded.values()):
        raise AdapterError(f"the adapter {folder} has weights that are not finite numbers")
    if not any(bool(value.any()) for key, value in loaded.items() if "lora_B" in key):
        raise AdapterError(
            f"the adapter {folder} is zero", rule="a zero adapter is the base", remedy="train it"
        )
    peft.eval()
    return peft


def _misfit(folder: Path, what: str) -> AdapterError:
    return AdapterError(
        f"the adapter {folder} does not fit the base: {what}",
        rule="the saved weights are exactly those that the base's layers need",
        remedy="it was made for another base, or is damaged: fetch or train it again",
    )
