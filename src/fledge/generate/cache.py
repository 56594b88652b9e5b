"""Keys and values of the tokens so far, in memory allocated once.

Rows of different length share one batch without left padding. Prompts are padded on the right and read with plain
causal attention, so real tokens never see padding; then every row goes on writing at its own length, over its
padding, and a mask hides what lies beyond. Attention reads the first `max(lengths)` slots only, not the whole
allocation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class StaticCache:
    """KV cache of `capacity` rows by `max_len` tokens for every layer of the model with this config.

    The model calls `update` once a layer; after the last layer all rows have grown by the T tokens of that call.
    Letters: L layers, B rows in use, H key/value heads, T new tokens, S slots read, D head dimension.
    """

    def __init__(self, config: Any, capacity: int, max_len: int) -> None:
        self.num_layers: int = config.num_hidden_layers
        self.windows: list[int | None] = [config.window_of(layer) for layer in range(self.num_layers)]
        self.capacity, self.max_len = capacity, max_len
        self.lengths: list[int] = []
        self._keys_LBHSD: Tensor | None = None  # the first update knows heads, dtype and device
        self._values_LBHSD: Tensor | None = None
        self._masks: dict[int | None, Tensor | None] = {}  # by window
        self._place: tuple[Any, ...] | None = None  # where the new tokens go, when not all to the same slots

    @property
    def length(self) -> int:
        """Tokens in the longest row."""
        return max(self.lengths, default=0)

    def update(self, layer: int, k_BHTD: Tensor, v_BHTD: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Store the keys (after RoPE) and values of T new tokens a row; return all there are and who may see whom.

        The mask is a bool [B, 1, T, S], True = may attend (not beyond the sliding window, if the layer has one). It
        is None when none is needed: T tokens into empty rows (use causal attention) and one token into rows of equal
        length (attend to everything).
        """
        B, H, T, D = k_BHTD.shape
        if self._keys_LBHSD is None or self._values_LBHSD is None:
            # zeros, not empty: a masked slot is multiplied by 0, and 0 * NaN of old memory would be NaN
            self._keys_LBHSD = k_BHTD.new_zeros(self.num_layers, self.capacity, H, self.max_len, D)
            self._values_LBHSD = v_BHTD.new_zeros(self.num_layers, self.capacity, H, self.max_len, D)
        if layer == 0:
            self._begin(B, T, k_BHTD.device)
        S = self.length + T
        keys, values = self._keys_LBHSD[layer, :B], self._values_LBHSD[layer, :B]
        if self._place is None:
            keys[:, :, S - T : S] = k_BHTD
            values[:, :, S - T : S] = v_BHTD
        else:
            keys[self._place] = k_BHTD.transpose(1, 2)
            values[self._place] = v_BHTD.transpose(1, 2)
        if layer == self.num_layers - 1:
            self.lengths = [length + T for length in self.lengths]
        return keys[:, :, :S], values[:, :, :S], self._masks[self.windows[layer]]

    def _begin(self, B: int, T: int, device: torch.device) -> None:
        """Decide once for all layers where the new tokens go and what they see."""
        self.lengths = self.lengths or [0] * B
        if len(self.lengths) != B or self.capacity < B or self.length + T > self.max_len:
            raise ValueError(
                f"{B} rows of {self.length} + {T} tokens do not fit: the cache holds {len(self.lengths)} of at most "
                f"{self.capacity} rows, and {self.max_len} tokens a row"
            )
        self._place = None
        self._masks = dict.fromkeys(self.windows)
        equal, S = min(self.lengths) == self.length, self.length + T
        plain = equal and (T == 1 or self.length == 0)
        if plain and all(window is None or window >= S for window in self._masks):
            return
        slots_BT = torch.tensor(self.lengths, device=device)[:, None] + torch.arange(T, device=device)
        if not equal:
            self._place = (torch.arange(B, device=device)[:, None], slice(None), slots_BT)
        distance_BTS = slots_BT[:, :, None] - torch.arange(S, device=device)  # negative: ahead
        for window in self._masks:
            if window is not None and window < S:
                self._masks[window] = ((distance_BTS >= 0) & (distance_BTS < window))[:, None]
            elif not plain:
                self._masks[window] = (distance_BTS >= 0)[:, None]

    def truncate(self, lengths: list[int]) -> None:
        """Say how long the rows really are; what lies beyond (padding, rejected tokens) will be overwritten."""
        if len(lengths) != len(self.lengths) or any(new > old for new, old in zip(lengths, self.lengths)):
            raise ValueError(f"cannot truncate rows of {self.lengths} tokens to {lengths}")
        self.lengths = list(lengths)

    def select(self, rows: list[int]) -> None:
        """Row i becomes what row `rows[i]` was: drops rows (fewer), copies them (repeats), reorders beams.

        Only the rows that change are copied, and of those only the slots in use.
        """
        assert self._keys_LBHSD is not None and self._values_LBHSD is not None, "nothing is cached yet"
        moved = [(to, source) for to, source in enumerate(rows) if to != source]
        if moved:
            to_M, source_M = torch.tensor(moved, device=self._keys_LBHSD.device).T
            for store in (self._keys_LBHSD[:, :, :, : self.length], self._values_LBHSD[:, :, :, : self.length]):
                store[:, to_M] = store[:, source_M]  # the right side is a copy, so overlaps are safe
        self.lengths = [self.lengths[row] for row in rows]
