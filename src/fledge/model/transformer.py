"""The Transformer: embed, blocks, norm, head. Its state dict is Hugging Face's, name for name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fledge.model.config import ModelConfig
from fledge.model.layers import Block, Linear, MoE, RMSNorm, SandwichBlock
from fledge.model.rope import local_frequencies, rope_frequencies, rope_tables
from fledge.parts import REFERENCE, Parts


class Body(nn.Module):
    """Everything below the head; it exists so that parameter names begin with `model.` as Hugging Face's do."""

    def __init__(self, config: ModelConfig, parts: Parts):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        block = SandwichBlock if config.sandwich_norm else Block
        self.layers = nn.ModuleList(block(config, i, parts) for i in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps, parts, config.norm_offset)


class Transformer(nn.Module):
    """A causal language model.

    `compute_dtype` is the dtype of activations and matrix products; parameters keep their own (fp32 in training).
    `checkpoint_activations` recomputes each block in the backward pass: memory of one block instead of all.
    `generation_config` is what the folder's generation_config.json holds; {} for a new model.
    """

    inv_freq: Tensor
    local_inv_freq: Tensor | None

    def __init__(self, config: ModelConfig, parts: Parts = REFERENCE):
        super().__init__()
        self.config = config
        self.parts = parts
        self.compute_dtype = torch.float32
        self.checkpoint_activations = False
        self.generation_config: dict[str, Any] = {}
        self.model = Body(config, parts)
        self._make_head(config)
        self.set_frequencies()

    def set_frequencies(self) -> None:
        """Make RoPE's frequencies; again where the model was made without numbers (on the meta device)."""
        inv_freq, self.rope_factor = rope_frequencies(self.config)
        self.register_buffer("inv_freq", inv_freq, persistent=False)
        self.register_buffer("local_inv_freq", local_frequencies(self.config), persistent=False)

    def _make_head(self, config: ModelConfig) -> None:
        self.lm_head = Linear(config.hidden_size, config.vocab_size, bias=False)
        self.tie_head()

    def tie_head(self) -> None:
        """Make head and embedding one matrix, where the config says so."""
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def folder_config(self) -> dict[str, Any]:
        """What config.json says beside the shape."""
        return {}

    @torch.no_grad()
    def init_weights(self, seed: int = 0) -> Transformer:
        """Initialise in place, the same numbers on every machine (drawn on the CPU).

        | tensor                  | init                         | why                                              |
        |-------------------------|------------------------------|--------------------------------------------------|
        | embedding               | N(0, 0.02), untied N(0, 1)   | tied it is the head: see `initial_loss`          |
        | lm_head (untied)        | 0                            | the loss starts at exactly ln V                  |
        | q k v gate up, router   | U with std 1/sqrt(fan_in)    | keeps the scale of activations                   |
        | o_proj, down_proj       | 0                            | every block starts as the identity               |
        | norms                   | 1                            |                                                  |

        Where what a block adds is normalised, that norm starts from 0 instead, and the matrices before it as the others.
        """
        offset, sandwich = self.config.norm_offset, self.config.sandwich_norm
        from_zero = ("lm_head.weight", "bias") + (() if sandwich else ("o_proj.weight", "down_proj.weight"))
        generator = torch.Generator().manual_seed(seed)

        def draw(shape: torch.Size) -> Tensor:
            return torch.empty(shape).uniform_(-(3**0.5), 3**0.5, generator=generator)  # variance 1

        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight"):
                added = sandwich and name.endswith(
                    ("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")
                )
                parameter.fill_(0.0 - offset if added else 1.0 - offset)
            elif name.endswith(from_zero):
                parameter.zero_()
            elif "embed_tokens" in name:
                std = self.config.initializer_range if self.config.tie_word_embeddings else 1.0
                parameter.copy_(torch.empty(parameter.shape).normal_(0, std, generator=generator))
            else:
                parameter.copy_(draw(parameter.shape) * parameter.shape[1] ** -0.5)
        return self

    def forward(
        self,
        ids_BT: Tensor,
        *,
        positions_BT: Tensor | None = None,
        segments_BT: Tensor | None = None,
        cache: Any = None,
    ) -> Tensor:
        """Token ids -> logits [B, T, V] in fp32."""
        return self.head(self.hidden(ids_BT, positions_BT=positions_BT, segments_BT=segments_BT, cache=cache))

    def head(self, x_BTD: Tensor) -> Tensor:
        return self.lm_head(x_BTD).float()

    def hidden(
        self,
        ids_BT: Tensor,
        *,
        positions_BT: Tensor | None = None,
        segments_BT: Tensor | None = None,
        prefixes_BT: Tensor | None = None,
        cache: Any = None,
        router_logits: list[Tensor] | None = None,
    ) -> Tensor:
        """Hidden states after the final norm, [B, T, D] in the compute dtype.

        `segments_BT` numbers the documents of packed rows: attention never crosses from one to another, but to the segment
        that `prefixes_BT` names for a token, so that several answers share one question. `positions_BT` defaults to
        0..T-1. `cache.update(layer, k, v) -> (k, v, mask)` holds keys and values of earlier calls; the
        caller then passes the positions. `router_logits`, a list, receives every MoE layer's [B*T, E] (for `router_balance`).
        """
        x_BTD = self.model.embed_tokens(ids_BT).to(self.compute_dtype)
        if (scale := self.config.embedding_scale) != 1:
            x_BTD = x_BTD * torch.tensor(scale, dtype=x_BTD.dtype)
        if positions_BT is None:
            positions_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        rope = rope_tables(self.inv_freq, positions_BT, self.rope_factor, x_BTD.dtype)
        local = (
            rope if self.local_inv_freq is None else rope_tables(self.local_inv_freq, positions_BT, 1.0, x_BTD.dtype)
        )
        windows = [self.config.window_of(layer) for layer in range(self.config.num_hidden_layers)]
        masks: dict[int | None, Tensor | None] = dict.fromkeys(windows)
        for window in masks:
            if cache is None and prefixes_BT is not None and segments_BT is not None:
                masks[window] = self._branching_mask(positions_BT, segments_BT, prefixes_BT, window, x_BTD.dtype)
            elif cache is None:
                masks[window] = self._mask(ids_BT, segments_BT, window, x_BTD.dtype)
        for block, window in zip(self.model.layers, windows):
            turns = rope if window is None else local
            if self.checkpoint_activations and torch.is_grad_enabled():
                x_BTD = checkpoint(block, x_BTD, turns, masks[window], cache, router_logits, use_reentrant=False)
            else:
                x_BTD = block(x_BTD, turns, masks[window], cache, router_logits)
        return self.model.norm(x_BTD)

    def compiled_hidden(self) -> Callable[..., Tensor]:
        """`hidden` through torch.compile, for rows of one shape.

        A model whose experts run one after the other is left as it is: their shapes are others in every batch, and it would be
        compiled again and again until torch gives up.
        """
        like = torch.empty(0, device=self.device, dtype=self.compute_dtype)
        if any(isinstance(module, MoE) and not module.is_grouped(like) for module in self.modules()):
            return self.hidden
        return torch.compile(self.hidden, dynamic=False)

    def _mask(
        self, ids_BT: Tensor, segments_BT: Tensor | None, window: int | None, dtype: torch.dtype
    ) -> Tensor | None:
        """Additive mask [B or 1, 1, T, T], or None when plain causal attention is all that is needed."""
        T = ids_BT.shape[1]
        if segments_BT is None and (window is None or window >= T):
            return None
        position = torch.arange(T, device=ids_BT.device)
        allowed = (position[:, None] >= position)[None]
        if window is not None:
            allowed = allowed & (position[:, None] - position < window)
        if segments_BT is not None:
            allowed = allowed & (segments_BT[:, :, None] == segments_BT[:, None, :])
        return torch.zeros((), dtype=dtype, device=ids_BT.device).masked_fill(~allowed, float("-inf"))[:, None]

    def _branching_mask(
        self,
        positions_BT: Tensor,
        segments_BT: Tensor,
        prefixes_BT: Tensor,
        window: int | None,
        dtype: torch.dtype,
    ) -> Tensor:
        """The same where a segment goes on from another one that stands before it in the row; distances are of positions."""
        order = torch.arange(segments_BT.shape[1], device=segments_BT.device)
        same = segments_BT[:, :, None] == segments_BT[:, None, :]
        ahead = prefixes_BT[:, :, None] == segments_BT[:, None, :]
        allowed = (order[:, None] >= order) & (same | ahead)
        if window is not None:
            allowed &= positions_BT[:, :, None] - positions_BT[:, None, :] < window
        return torch.zeros((), dtype=dtype, device=order.device).masked_fill(~allowed, float("-inf"))[:, None]

    @property
    def device(self) -> torch.device:
        return self.model.embed_tokens.weight.device

    @property
    def end_ids(self) -> frozenset[int]:
        """The tokens that end an answer: those of config.json and of generation_config.json."""
        listed = self.generation_config.get("eos_token_id")
        return frozenset(self.config.end_ids) | ({*listed} if isinstance(listed, list) else {listed} - {None})
