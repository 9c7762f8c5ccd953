"""FSDP: each process holds a shard of every layer of the frozen base.

For bases that do not fit one GPU. Only the base is sharded: the trained weights are few and
complete in every process, so that steps, checkpoints and adapters are those of any training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import PeftModel


def shard(model: PeftModel) -> None:
    """Shard the base's layers among all processes, in place; a layer is gathered while it computes.

    The model is in main memory, and moves to the device layer by layer.

    Args:
        model: with its NF4 weights stored as bfloat16 (`load_base(sharded=True)`), a type that the
            collectives support.
    """
    import torch
    from bitsandbytes.nn import Linear4bit
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    device = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(device, (distributed.get_world_size(),))
    base: Any = model.get_base_model()
    for layer in base.modules():
        if isinstance(layer, Linear4bit):
            # A gathered weight is a plain tensor without its scales.
            layer.quant_state = layer.weight.quant_state
    sharded = set()
    for layer in [m for m in base.modules() if type(m).__name__ in base._no_split_modules]:
        trained = {p for p in layer.parameters() if p.requires_grad}
        sharded |= set(layer.parameters())
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
    # Embedding and head are not sharded; the outermost call prefetches the next layer.
    rest = {p for p in base.base_model.parameters() if p not in sharded}
    fully_shard(base.base_model, mesh=mesh, ignored_params=rest)
    model.to(device)
