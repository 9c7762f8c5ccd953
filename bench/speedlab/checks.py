"""What must hold on a device before anything is timed there; each check says how far it was off."""

from __future__ import annotations

from typing import Any

import torch

from pawl.config.schema import Train
from pawl.core.records import Choices, Point
from pawl.train.attention import _attend, pack_layout
from pawl.train.loop import Loop
from pawl.train.pack import packed
from pawl.train.passes import packed_mode, summed_loss
from pawl.train.qlora import adapted
from speedlab.shapes import DEVICE, SMALL, built, some_rows


def attention_stays_within_rows() -> str:
    """The packed attention of this device against SDPA, each row alone, forward and backward."""
    lengths = (3, 40, 90, 129)
    total = sum(lengths)
    shapes = ((1, 8, total, 64), (1, 2, total, 64), (1, 2, total, 64))
    parts = [torch.randn(s, dtype=torch.bfloat16, device=DEVICE).requires_grad_() for s in shapes]
    rows = pack_layout(lengths, torch.arange(total, device=DEVICE))
    found = _attend(*parts, rows, scaling=0.125)[0].transpose(0, 1)
    alone = [
        torch.nn.functional.scaled_dot_product_attention(
            *three, is_causal=True, scale=0.125, enable_gqa=True
        )
        for three in zip(*(p[0].float().split(lengths, 1) for p in parts), strict=True)
    ]
    wanted = torch.cat(alone, dim=1)
    slope = torch.randn_like(wanted)
    off = [_off(found, wanted)]
    mine = torch.autograd.grad(found, parts, slope.to(torch.bfloat16))
    off += map(_off, mine, torch.autograd.grad(wanted, parts, slope))
    return _within("attention against SDPA a row, output and gradients", max(off), 0.02)


def packs_learn_what_rows_do() -> str:
    """Loss and gradients of a pack in bf16 against those of its rows, one at a time."""
    model = _moved(adapted(built(SMALL), Train(rank=8)))
    rows = some_rows(400, SMALL.vocabulary, longest=120)
    found = []
    for room in (4096, 1):
        model.zero_grad()
        with packed_mode(model):
            loss = torch.zeros((), device=DEVICE)
            for pack in packed(rows, room=room):
                part = summed_loss(model, pack)
                part.backward()
                loss += part.detach()
        slopes = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        found.append((float(loss), torch.cat(slopes)))
    (one, slopes), (other, alone) = found
    off = max(abs(one - other) / other, _off(slopes, alone))
    return _within("loss and gradients of a pack against its rows", off, 0.03)


def nf4_is_nf4() -> str:
    """A layer's product against that with its unpacked weight; and the error of NF4 itself."""
    from bitsandbytes.functional import dequantize_4bit

    layer = built(SMALL).model.layers[0].mlp.up_proj
    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    x = torch.randn(50, SMALL.hidden, dtype=torch.bfloat16, device=DEVICE)
    off = _off(layer(x), x @ weight.T.to(x.dtype))
    levels = len(torch.unique(weight[0, :64].float()))
    if levels > 16:
        raise SystemExit(f"a block of 64 weights has {levels} values; NF4 has 16")
    return _within("NF4 layer against its unpacked weight", off, 0.01)


def resume_is_exact() -> str:
    """Two steps, their state, two more: the weights of four steps without a break."""
    params = Train(rank=8, epochs=1, batch_size=4)
    rows = some_rows(2000, SMALL.vocabulary, longest=100)[:16]
    whole = Loop(adapted(built(SMALL), params), rows, params=params, choices=Choices(room=2048))
    kept: dict[str, torch.Tensor] = {}

    def keep(point: Point) -> None:
        if point.step == 2:
            kept.update({name: value.clone() for name, value in whole.state().items()})

    whole.run(keep)
    again = Loop(adapted(built(SMALL), params), rows, params=params, choices=Choices(room=2048))
    again.resume(2, kept)
    again.run(lambda _: None)
    off = max(_off(again.weights[name], weight) for name, weight in whole.weights.items())
    # torch's attention adds up gradients in any order on CUDA.
    return _within("resumed against unbroken", off, 0.0 if DEVICE.type == "cpu" else 1e-2)


def _moved(model: Any) -> Any:
    """The adapter as after some steps: with B at zero A has no gradient."""
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.02)
    return model.train()


def _off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The relative error, by norms."""
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


def _within(what: str, off: float, limit: float) -> str:
    if not off <= limit:
        raise SystemExit(f"{what}: off by {off:.2%}, more than {limit:.2%}")
    return f"{what}: off by {off:.2%}"


CHECKS = (attention_stays_within_rows, packs_learn_what_rows_do, nf4_is_nf4, resume_is_exact)
