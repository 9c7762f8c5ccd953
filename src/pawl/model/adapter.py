"""An adapter folder: what peft and vLLM load as it is, plus `pawl.json`, which says what it is.

The folder holds exactly the names in `FILES` and the manifest. It is verified, bytes first, before
it is scored, registered, released or served.
"""

from __future__ import annotations

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
    """Verify an adapter folder and return its manifest: bytes, configuration, weights; no torch.

    Args:
        folder: the adapter folder.
        base: digest of the base that it shall sit on; None skips that check.

    Raises:
        AdapterError: a file is missing, altered, a link or not one that an adapter has; its
            configuration or weights are no plain LoRA's; or it was trained on another base.
    """
    refuse_links(folder)
    if not folder.is_dir():
        raise AdapterError(f"there is no adapter at {folder}", remedy="train one: `pawl run TASK`")
    names = {path.name for path in folder.iterdir()}
    if names != {*FILES, MANIFEST} or any(p.is_symlink() for p in folder.iterdir()):
        odd = sorted(names ^ {*FILES, MANIFEST}) or ["a symbolic link"]
        raise AdapterError(
            f"the adapter folder {folder} is off: {', '.join(odd)}",
            rule=f"an adapter is the regular files {', '.join((*FILES, MANIFEST))} and no other",
            remedy="fetch the version again, or train it again",
        )
    manifest = read_record(folder / MANIFEST, AdapterManifest)
    if set(manifest.files) != set(FILES):
        raise AdapterError(
            f"{folder / MANIFEST} names {', '.join(sorted(manifest.files)) or 'no file'}",
            rule=f"a manifest names {' and '.join(FILES)} and nothing else",
            remedy="fetch the version again, or train it again",
        )
    found = digest_files(folder, FILES)
    for name, digest in found.items():
        if manifest.files[name] != digest:
            raise AdapterError(
                f"{folder / name} has digest {digest[:12]}",
                rule=f"the manifest says {manifest.files[name][:12]}",
                remedy="its bytes changed after training: fetch the version again",
            )
    lora = read_lora(folder / CONFIG, manifest)
    check_weights(folder / WEIGHTS, lora)
    if manifest.quantisation != QUANTISATION:
        raise AdapterError(
            f"the adapter was trained on weights held as '{manifest.quantisation}'",
            rule=f"this version of Pawl holds a base's weights as '{QUANTISATION}'",
            remedy="train it again with this version",
        )
    if base is not None and manifest.base.digest != base:
        raise AdapterError(
            f"the adapter was trained on base {manifest.base.digest[:12]} ({manifest.base.model})",
            rule=f"it may only sit on that base; here is {base[:12]}",
            remedy="bring that base back (`dvc checkout`), or train a new adapter",
        )
    return manifest


def refuse_links(folder: Path) -> None:
    """Refuse a folder that is a link, or lies behind one that leads out of its workspace.

    What was verified at the one end of a link can be another thing at the next look.

    Raises:
        AdapterError: names the link.
    """
    places = (folder.absolute(), *folder.absolute().parents)
    roots = [place for place in places if (place / "params.yaml").is_file()]
    found = [folder] if folder.is_symlink() else []
    if roots:
        root = roots[-1]
        below = (place for place in places if place != root and place.is_relative_to(root))
        found += [p for p in below if not p.resolve().is_relative_to(root.resolve())]
    if found:
        raise AdapterError(
            f"{folder} lies behind the link {found[-1]} to {found[-1].resolve()}",
            rule="an adapter is a folder of its own, inside the workspace",
            remedy="remove the link; `pawl run` or `pawl status` puts the files there again",
        )


def load_adapter(model: PreTrainedModel, folder: Path, *, name: str) -> PeftModel:
    """Put a verified adapter on the base under `name`, frozen, and make it the active one.

    Raises:
        AdapterError: a weight is missing, unexpected, of another shape, not finite, or all `B`
            are zero (the adapter would be the base). peft only warns of missing weights.
    """
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import load_file

    if isinstance(model, PeftModel):
        model.load_adapter(str(folder), adapter_name=name, is_trainable=False)
        peft = model
    else:
        peft = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
    peft.set_adapter(name)
    saved = {key: value.shape for key, value in load_file(folder / WEIGHTS).items()}
    held = get_peft_model_state_dict(peft, adapter_name=name)
    shapes = {key: value.shape for key, value in held.items()}
    if saved != shapes:
        odd = sorted(set(saved) ^ set(shapes)) or [k for k in saved if saved[k] != shapes[k]]
        raise AdapterError(
            f"the adapter {folder} does not fit the base: {len(odd)} weights, first {odd[0]}",
            rule="the saved weights are exactly those that the base's layers need",
            remedy="it was made for another base, or was cut: fetch or train it again",
        )
    if not all(bool(torch.isfinite(value).all()) for value in held.values()):
        raise AdapterError(f"the adapter {folder} holds weights that are not finite numbers")
    if not any(bool(value.any()) for key, value in held.items() if "lora_B" in key):
        raise AdapterError(
            f"the adapter {folder} is zero", rule="a zero adapter is the base", remedy="train it"
        )
    peft.eval()
    return peft
