"""Start a Llama with the circuit that copies already in place.

Copying "the token that followed this one last time" takes two layers that must find each other: one
that tells each place what stood before it, one that looks for a place with the same past (Olsson et
al. 2022, induction heads). A tiny model on a CPU spends millions of tokens on a plateau before it
finds the pair. Here it starts roughly wired, and training has only to sharpen it:

- Coordinate 0 of every embedding is the same constant. In layer 0, queries and keys read only that,
  so rotary position alone decides and head h looks h + 1 places back.
- In layer 1, queries read (this token, the ones before) and keys read (the token before, the ones
  before that), in the slowly turning coordinates, where distance hardly matters. Values pass on.

The numbers were found by trying. Rates much above 1e-3 in the first hundred steps undo the wiring.
"""

from __future__ import annotations

import math

import torch
from transformers import LlamaForCausalLM

LOOK = 60.0  # how sharply layer 0 looks at one place
MATCH = 3.0  # how sharply layer 1 looks for the same past
KEPT_NOISE = 0.1  # share of the random start that stays in queries and keys
CONSTANT = 0.5  # coordinate 0, as a share of an embedding's length
PASS_BACK = 0.04  # how loud layer 0 says what stood before
COPY = 0.5  # how loud layer 1 says what came next
PAST = (3, 2, 2, 1)  # tokens of past that each head of layer 1 compares


def wire(model: LlamaForCausalLM, seed: int) -> None:
    """Set the first two attention layers, in place; every MLP starts silent."""
    draw = torch.Generator().manual_seed(seed)
    for layer in model.model.layers:
        layer.mlp.down_proj.weight.data.zero_()
    for layer in model.model.layers[:2]:
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
            projection.weight.data.mul_(KEPT_NOISE)
    readers = _look_back(model, draw)
    _match_past(model, readers, draw)


def _look_back(model: LlamaForCausalLM, draw: torch.Generator) -> list[torch.Tensor]:
    """Wire layer 0; return the matrices that read the token 0, 1, 2 … places back."""
    width, heads = model.config.hidden_size, model.config.num_attention_heads
    size, half = width // heads, width // heads // 2
    attention = model.model.layers[0].self_attn
    embedding = model.model.embed_tokens.weight.data
    length = embedding[:, 1:].norm(dim=1).mean()
    embedding[:, 0] = CONSTANT * length
    seen = (embedding[:, 0] / embedding.pow(2).mean(1).sqrt()).mean()  # after RMSNorm
    loudness = math.sqrt(LOOK) / seen
    angles = model.config.rope_parameters["rope_theta"] ** (-torch.arange(half) / half)
    values = torch.zeros(size, width)
    values[:, 1:] = _orthonormal(width - 1, size, draw).T
    readers = [values]
    for head in range(heads):
        rows = slice(head * size, (head + 1) * size)
        back = head + 1
        query = torch.cat([torch.ones(half), torch.zeros(half)])
        key = torch.cat([torch.cos(back * angles), torch.sin(back * angles)])
        attention.q_proj.weight.data[rows, 0] = loudness * query
        attention.k_proj.weight.data[rows, 0] = loudness * key
        out = _orthonormal(width, size, draw)
        out[0] = 0
        attention.v_proj.weight.data[rows] = values
        attention.o_proj.weight.data[:, rows] = PASS_BACK * out
        # RMSNorm brings an embedding to length sqrt(width) before the head speaks.
        readers.append(out.T / (PASS_BACK * math.sqrt(width) / length))
    return readers


def _match_past(
    model: LlamaForCausalLM, readers: list[torch.Tensor], draw: torch.Generator
) -> None:
    """Wire layer 1 to find a place with the same past and say its token."""
    width, heads = model.config.hidden_size, model.config.num_attention_heads
    size, half = width // heads, width // heads // 2
    attention = model.model.layers[1].self_attn
    slow = torch.arange(half * 5 // 8, half)  # these turn by less than a radian in 256 places
    slow = torch.cat([slow, slow + half])
    said = torch.zeros(width, width)
    said[1:, 1:] = _orthonormal(width - 1, width - 1, draw)
    for head, past in enumerate(PAST[:heads]):
        rows = slice(head * size, (head + 1) * size)
        for t in range(past):
            mix = MATCH * _orthonormal(size, len(slow), draw).T
            attention.q_proj.weight.data[head * size + slow] += mix @ readers[t]
            attention.k_proj.weight.data[head * size + slow] += mix @ readers[t + 1]
        attention.v_proj.weight.data[rows] = said[:, rows].T
        attention.o_proj.weight.data[:, rows] = COPY * said[:, rows]


def _orthonormal(rows: int, columns: int, draw: torch.Generator) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(rows, columns, generator=draw))[0]
