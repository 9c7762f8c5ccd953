"""Rows that are decoded together; they join and leave between two steps.

A batch has one key-value cache, padded on the left. A row that joins brings the cache of its
prompt, and the shorter of both is padded; what no row needs any more is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pawl.model.cached_batches import select_rows
from pawl.serve.adapters import Adapters
from pawl.serve.rows import Row


class Batch:
    """Running rows and what the model has computed of them.

    `logits` [rows, words] are those of each row's next token.
    """

    def __init__(self, adapters: Adapters, rows: Sequence[Row], *, pad: int) -> None:
        """Compute the prompts of some rows, and what they have been answered so far."""
        import torch
        from transformers import DynamicCache

        self._adapters = adapters
        self.rows = list(rows)
        device = adapters.model.device
        said = [[*row.prompt, *row.tokens] for row in rows]
        longest = max(map(len, said))
        ids = torch.tensor([[pad] * (longest - len(one)) + one for one in said], device=device)
        real = [[0] * (longest - len(one)) + [1] * len(one) for one in said]
        self._mask = torch.tensor(real, device=device)
        self._positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)
        self._cache: Any = DynamicCache(config=adapters.model.config)
        self.logits = self._forward(ids)

    def step(self, chosen: Sequence[int]) -> None:
        """Compute one more token of each row."""
        import torch

        ids = torch.tensor([[token] for token in chosen], device=self._mask.device)
        self._positions = self._positions[:, -1:] + 1
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], dim=1)
        self.logits = self._forward(ids)

    def keep(self, places: Sequence[int]) -> None:
        """Let all other rows leave; at least one stays."""
        import torch

        if len(places) == len(self.rows):
            return
        kept = torch.tensor(list(places), device=self._mask.device, dtype=torch.long)
        select_rows(self._cache, kept)
        self.rows = [self.rows[place] for place in places]
        self._mask, self._positions = self._mask[kept], self._positions[kept]
        self.logits = self.logits[kept]
        # What pads even the longest row.
        cut = self._mask.shape[1] - int(self._mask.sum(dim=1).max())
        if cut and all(hasattr(layer, "keys") for layer in self._cache.layers):
            self._mask = self._mask[:, cut:]
            for layer in self._cache.layers:
                layer.keys = layer.keys[:, :, cut:]
                layer.values = layer.values[:, :, cut:]

    def join(self, other: Batch) -> None:
        """Let the rows of another batch in, whose last token is computed, too."""
        import torch

        longest = max(self._mask.shape[1], other._mask.shape[1])
        mine, its = self._padded(longest), other._padded(longest)
        for layer, keys, values, more in zip(
            self._cache.layers, mine[1], mine[2], zip(its[1], its[2], strict=True), strict=True
        ):
            layer.keys = torch.cat([keys, more[0]])
            layer.values = torch.cat([values, more[1]])
        self._mask = torch.cat([mine[0], its[0]])
        self._positions = torch.cat([self._positions[:, -1:], other._positions[:, -1:]])
        self.logits = torch.cat([self.logits, other.logits])
        self.rows += other.rows

    def _padded(self, length: int) -> tuple[Any, list[Any], list[Any]]:
        """Mask, keys and values with padding on the left, up to `length` tokens."""
        from torch.nn.functional import pad

        more = length - self._mask.shape[1]
        layers = self._cache.layers
        return (
            pad(self._mask, (more, 0)),
            [pad(layer.keys, (0, 0, more, 0)) for layer in layers],
            [pad(layer.values, (0, 0, more, 0)) for layer in layers],
        )

    def _forward(self, ids: Any) -> Any:
        found = self._adapters(
            [row.adapter for row in self.rows],
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return found.logits[:, -1]
