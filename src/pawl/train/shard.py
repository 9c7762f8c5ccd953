"""A frozen base in parts: each process holds its share of every layer (FSDP).

For bases that do not fit one card. Only the base is sharded: what is trained is small, and stays
whole in every process, so that steps, checkpoints and adapters are those of any other training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import PeftModel


def shard(model: PeftModel) -> None:
    """Split the base's layers among all processes, in place; a layer is whole while it computes.

    The model comes from main memory, and a layer at a time goes to the device.

    Args:
        model: with its NF4 weights held in bfloat16 (`load_base(sharded=True)`): what travels are
            numbers that the collectives know.
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
            # A weight that is put together again is a plain tensor without its scales.
            layer.quant_state = layer.weight.quant_state
    held = set()
    for layer in [m for m in base.modules() if type(m).__name__ in base._no_split_modules]:
        whole = {p for p in layer.parameters() if p.requires_grad}
        held |= set(layer.parameters())
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    # Embedding and head stay whole; the outermost call alone knows which layer comes next.
    rest = {p for p in base.base_model.parameters() if p not in held}
    fully_shard(base.base_model, mesh=mesh, ignored_params=rest)
    model.to(device)
