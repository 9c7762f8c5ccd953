"""Llamas of random weights, built on the device straight into NF4, and rows of random tokens."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from pawl.train.rows import Row

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclasses.dataclass(frozen=True)
class Shape:
    """A Llama's: width of hidden states and MLP, layers, heads, heads of keys and values."""

    hidden: int
    inner: int
    layers: int
    heads: int
    shared: int
    vocabulary: int = 128_256

    @property
    def config(self) -> Any:
        """As transformers has it."""
        from transformers import LlamaConfig

        return LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.shared,
            max_position_embeddings=8192,
            pad_token_id=0,
            tie_word_embeddings=False,
        )


B8, B70 = Shape(4096, 14336, 32, 32, 8), Shape(8192, 28672, 80, 64, 8)
SMALL = Shape(64, 128, 2, 4, 2, 512)


def built(shape: Shape) -> Any:
    """The base in NF4 with random weights, never whole in any wider form."""
    import bitsandbytes as bnb
    from transformers import LlamaForCausalLM

    config = shape.config
    torch.manual_seed(0)
    with torch.device("meta"):
        model = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, torch.nn.Linear) or layer is model.lm_head:
            continue
        with torch.device("meta"):
            packed_layer = bnb.nn.Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=False,
                compute_dtype=torch.bfloat16,
                quant_type="nf4",
            )
        weight = _random(layer.out_features, layer.in_features)
        packed_layer.weight = bnb.nn.Params4bit(
            weight, requires_grad=False, quant_type="nf4", compress_statistics=True
        ).to(DEVICE)
        if hasattr(packed_layer, "support_avx512bf16_for_cpu"):
            packed_layer.support_avx512bf16_for_cpu = False
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, packed_layer)
    for name, parameter in list(model.named_parameters()):
        if parameter.is_meta:
            parent, _, child = name.rpartition(".")
            flat = torch.ones(parameter.shape, dtype=torch.bfloat16, device=DEVICE)
            value = flat if parameter.dim() == 1 else _random(*parameter.shape)
            holder = torch.nn.Parameter(value, requires_grad=False)
            setattr(model.get_submodule(parent), child, holder)
    model.model.rotary_emb = type(model.model.rotary_emb)(config).to(DEVICE)
    # peft asks for this to put its 4-bit layers on.
    model.is_loaded_in_4bit = True
    return model


def some_rows(tokens: int, vocabulary: int, *, longest: int) -> list[Row]:
    """Rows of so many tokens in all, log-normal lengths, the first three quarters shown."""
    generator = torch.Generator().manual_seed(1)
    rows: list[Row] = []
    while tokens > 1:
        drawn = torch.empty(1).log_normal_(5.5, 0.8, generator=generator)
        length = max(2, min(int(drawn), longest, tokens))
        ids = torch.randint(5, vocabulary, (length,), generator=generator).tolist()
        rows.append(Row(f"r{len(rows)}", tuple(ids), max(1, length * 3 // 4)))
        tokens -= length
    return rows


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.bfloat16, device=DEVICE).mul_(shape[-1] ** -0.5)
