"""MiniMind's model under its own names: `MiniMindConfig` is a `ModelConfig`, `MiniMindForCausalLM` a `Transformer`.

What they take and return is MiniMind's; the model inside is ours, so its `state_dict` is that of a .pth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.errors import UserError
from fledge.interop.minimind.pth import Generation, minimind_config
from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.model.router import load_balance
from fledge.model.transformer import Transformer

FIXED = {"dropout": 0.0, "hidden_act": "silu"}  # arguments of MiniMind's that are what they are here
YARN = {  # what inference_rope_scaling=True means
    "rope_type": "yarn",
    "factor": 16.0,
    "original_max_position_embeddings": 2048,
    "beta_fast": 32,
    "beta_slow": 1,
    "attention_factor": 1.0,
}


@dataclass
class Output:
    """logits [B, T, V] in fp32; loss: mean nats of the next token where labels are not -100; aux_loss: the router's."""

    logits: Tensor
    loss: Tensor | None
    aux_loss: Tensor


def MiniMindConfig(
    hidden_size: int = 768, num_hidden_layers: int = 8, use_moe: bool = False, *, compat: Generation = "v3", **more: Any
) -> ModelConfig:
    """The shape of MiniMind v3, or with compat="v2" of v2.5; `more` are its further arguments, which are Hugging Face's."""
    for name, value in FIXED.items():
        if more.pop(name, value) != value:
            raise UserError(
                _("{name} is {value!r} in every MiniMind here: leave it out.").format(name=name, value=value)
            )
    more.pop("flash_attn", None)  # the same numbers either way
    if more.pop("inference_rope_scaling", False):
        more["rope_scaling"] = YARN
    return minimind_config(compat, hidden_size, num_hidden_layers, bool(use_moe), **more)


class MiniMindForCausalLM(Transformer):
    """Our Transformer, called as MiniMind's: `model(input_ids, labels=labels)` gives `.loss`, `.aux_loss`, `.logits`."""

    def __init__(self, config: ModelConfig | None = None):
        super().__init__(config or MiniMindConfig())
        self.init_weights()

    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Output:  # type: ignore[override]
        config = self.config
        router: list[Tensor] | None = [] if config.model_type == "qwen3_moe" and self.training else None
        logits_BTV = self.head(self.hidden(input_ids, router_logits=router))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        balance = torch.zeros((), device=input_ids.device)
        for logits_NE in router or ():  # MiniMind adds the layers up
            balance = balance + load_balance(logits_NE, config.num_experts_per_tok)
        return Output(logits_BTV, loss, balance * config.router_aux_loss_coef)
