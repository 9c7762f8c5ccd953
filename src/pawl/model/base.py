"""The frozen base model: find it, identify it by digest, load it in NF4.

A hub id and a local folder are treated alike. Only safetensors are read, and code from a model
folder is never run.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.core.files import digest_file, digest_json
from pawl.core.records import BaseInfo, BaseRef
from pawl.errors import BaseError
from pawl.model.chat_template import CLOCK, READS_CLOCK, template_source
from pawl.model.families import refusing_other_models
from pawl.model.hub import from_hub

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# The files that a base's digest covers. Others in the folder (README, .bin copies) are not read.
CONTENT = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json")
TOKENIZER = (
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt"),
    *("chat_template*", "additional_chat_templates/*"),
)


def find_base(base: BaseRef, workspace: Path) -> Path:
    """The folder of the base's files.

    A name that is a folder below `workspace` (or an absolute one) is that folder; else it is a
    Hugging Face id, taken from the local cache or fetched.

    Raises:
        BaseError: the folder has no weights, or the id is not cached and cannot be fetched.
    """
    folder = workspace / base.model
    if folder.is_dir():
        return _complete(folder, base.model)
    if _is_folder(base, workspace):
        raise BaseError(
            f"the base folder '{base.model}' is not there",
            rule="a base is a folder with config.json, safetensors and a tokenizer, or a hub id",
            remedy="`dvc pull` brings it if the workspace tracks it; else correct `base.model`",
        )
    return _complete(from_hub(base, (*CONTENT, *TOKENIZER)), base.model)


def find_config(base: BaseRef, workspace: Path) -> Path:
    """The folder of at least the base's config.json, which is enough for planning.

    If a hub id is not cached, its weights are not fetched.

    Raises:
        BaseError: there is no config.json, or the id is not cached and cannot be fetched.
    """
    folder = workspace / base.model
    if folder.is_dir():
        return _configured(folder, base.model)
    if _is_folder(base, workspace):
        return find_base(base, workspace)
    return _configured(from_hub(base, ("config.json", *TOKENIZER)), base.model)


def base_info(base: BaseRef, workspace: Path) -> BaseInfo:
    """The base's identity, the sha256 of all files that training and decoding read, and what its
    chat template is given."""
    folder = find_base(base, workspace)
    paths = {path for pattern in CONTENT + TOKENIZER for path in folder.glob(pattern)}
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    digest = digest_json({name: digest_file(folder / name) for name in names})
    reads_clock = READS_CLOCK in (template_source(folder) or "")
    return BaseInfo(
        model=base.model,
        revision=base.revision,
        digest=digest,
        template=dict(base.template),
        clock=CLOCK if reads_clock else None,
    )


def context_length(folder: Path) -> int:
    """The base's context window: the tokens of prompt and answer together."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return int(config.get_text_config().max_position_embeddings)


def base_width(folder: Path) -> int:
    """The width of the base's hidden states, which bounds the rank of a layer's update."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return int(config.get_text_config().hidden_size)


def has_tokenizer(folder: Path) -> bool:
    """Whether the base's tokenizer is there; planning works without it."""
    return any(any(folder.glob(pattern)) for pattern in TOKENIZER)


def load_base(
    folder: Path,
    *,
    seed: int = 0,
    compute: torch.dtype | None = None,
    sharded: bool = False,
    cards: int = 1,
) -> PreTrainedModel:
    """Load the base in NF4 with double quantisation (QLoRA, Dettmers et al. 2023), frozen.

    Args:
        folder: the base's files.
        seed: seed of torch's generator.
        compute: dtype of products; None: bf16 on CUDA, fp32 on CPU.
        sharded: it will be split among processes, so it stays in main memory, stored as bf16.
        cards: so many cards share its layers, which compute in turn.

    Raises:
        BaseError: transformers has no language model of its family.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils.logging import disable_progress_bar

    silence_bitsandbytes()
    # A bar a load would stand between those of steps and rows.
    disable_progress_bar()
    torch.manual_seed(seed)
    if compute is None:
        compute = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        bnb_4bit_quant_storage=torch.bfloat16 if sharded else torch.uint8,
    )
    device_map: Any = {"": "cpu"}
    if torch.cuda.is_available() and not sharded:
        device_map = {"": f"cuda:{torch.cuda.current_device()}"}
    share: dict[str, Any] = {}
    if cards > 1:
        sizes = [torch.cuda.get_device_properties(i).total_memory for i in range(cards)]
        device_map, share = "balanced", {"max_memory": dict(enumerate(sizes))}
    with refusing_other_models(folder):
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            quantization_config=config,
            dtype=compute,
            device_map=device_map,
            **share,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
        )
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    _disable_avx512_repack(model)
    return model


def dequantised(model: PreTrainedModel) -> PreTrainedModel:
    """Replace each NF4 layer by a dense one with the dequantised values, for decoding.

    With one token a step, unpacking NF4 weights costs more than the product itself. Outputs are
    those of the NF4 model; memory is that of a dense one.
    """
    import bitsandbytes as bnb
    import torch

    packed = [n for n, layer in model.named_modules() if isinstance(layer, bnb.nn.Linear4bit)]
    for name in packed:
        # By its name, as a list of layers would hold all packed weights to the end.
        layer: Any = model.get_submodule(name)
        weight = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        dense = torch.nn.Linear(
            layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta"
        )
        dense.weight = torch.nn.Parameter(weight.to(layer.compute_dtype), requires_grad=False)
        if layer.bias is not None:
            dense.bias = torch.nn.Parameter(layer.bias.data, requires_grad=False)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, dense)
    # Without this transformers would still treat it as quantised.
    model.config.quantization_config = None
    model.is_quantized = False
    return model


def silence_bitsandbytes() -> None:
    """Hide the warning, on import, that the package `kernels` (code from the hub) is missing."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def _disable_avx512_repack(model: torch.nn.Module) -> None:
    """Switch off bitsandbytes' weight repacking on CPUs with AVX512-BF16.

    An evaluation forward would repack the weights for a kernel without autograd, and later training
    forwards would silently lose gradient.
    """
    module: Any
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _is_folder(base: BaseRef, workspace: Path) -> bool:
    """Whether the name means a folder, even if there is none."""
    return base.model.startswith((".", "/")) or (workspace / f"{base.model}.dvc").exists()


def _complete(folder: Path, name: str) -> Path:
    if not any(folder.glob("*.safetensors")):
        raise BaseError(
            f"the base '{name}' has no *.safetensors file",
            rule="weights are read from safetensors only (a pickle can run code)",
            remedy="convert the weights with `save_pretrained(..., safe_serialization=True)`",
        )
    return _configured(folder, name)


def _configured(folder: Path, name: str) -> Path:
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseError(
            f"the base '{name}' has no readable config.json: {error}",
            rule="a base is a Hugging Face checkpoint",
            remedy="get the whole checkpoint (`dvc pull`, or download it again)",
        ) from error
    return folder
