"""The blocks of the Transformer: linear, norm, attention, feed-forward, mixture of experts."""

from __future__ import annotations

import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.model.config import ModelConfig
from fledge.parts import Parts


class Linear(nn.Linear):
    """A linear layer that computes in its input's dtype: master weights stay fp32, the product may be bf16.

    This replaces autocast: which dtype runs where can be read off the code, and there is no cast cache.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class RMSNorm(nn.Module):
    """Root-mean-square norm with a learnt scale: its weight, or with `offset` (Gemma) that plus the weight, all in fp32."""

    def __init__(self, size: int, eps: float, parts: Parts, offset: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), 1 - offset))
        self.eps = eps
        self.parts = parts
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        if self.offset:
            return self.parts.rms_norm(x.float(), self.offset + self.weight.float(), self.eps).to(x.dtype)
        return self.parts.rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    """Grouped-query self-attention with RoPE, and with QK-norm for Qwen3 and Gemma 3."""

    def __init__(self, config: ModelConfig, layer: int, parts: Parts):
        super().__init__()
        self.layer = layer
        self.parts = parts
        self.head_dim = config.head_dim or 0
        q_size = config.num_attention_heads * self.head_dim
        kv_size = config.num_key_value_heads * self.head_dim
        self.q_proj = Linear(config.hidden_size, q_size, bias=config.qkv_bias)
        self.k_proj = Linear(config.hidden_size, kv_size, bias=config.qkv_bias)
        self.v_proj = Linear(config.hidden_size, kv_size, bias=config.qkv_bias)
        self.o_proj = Linear(q_size, config.hidden_size, bias=config.output_bias)
        if config.qk_norm:
            self.q_norm = RMSNorm(self.head_dim, config.rms_norm_eps, parts, config.norm_offset)
            self.k_norm = RMSNorm(self.head_dim, config.rms_norm_eps, parts, config.norm_offset)
        self.qk_norm = config.qk_norm
        self.query_scale = (self.head_dim / (config.query_pre_attn_scalar or self.head_dim)) ** 0.5

    def forward(self, x_BTD: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: Any) -> Tensor:
        B, T, _ = x_BTD.shape
        q_BTHD = self.q_proj(x_BTD).view(B, T, -1, self.head_dim)
        k_BTHD = self.k_proj(x_BTD).view(B, T, -1, self.head_dim)
        v_BHTD = self.v_proj(x_BTD).view(B, T, -1, self.head_dim).transpose(1, 2)
        if self.qk_norm:
            q_BTHD, k_BTHD = self.q_norm(q_BTHD), self.k_norm(k_BTHD)
        if self.query_scale != 1:  # scores are divided by another root than that of head_dim
            q_BTHD = q_BTHD * self.query_scale
        q_BHTD = self.parts.apply_rope(q_BTHD.transpose(1, 2), *rope)
        k_BHTD = self.parts.apply_rope(k_BTHD.transpose(1, 2), *rope)
        if cache is not None:
            k_BHTD, v_BHTD, mask = cache.update(self.layer, k_BHTD, v_BHTD)
        out_BHTD = self.parts.attention(q_BHTD, k_BHTD, v_BHTD, mask)
        return self.o_proj(out_BHTD.transpose(1, 2).reshape(B, T, -1))


def geglu(gate: Tensor, up: Tensor) -> Tensor:
    """gelu(gate) * up, with the approximation of GELU by tanh (Shazeer, 2020; Gemma)."""
    return F.gelu(gate, approximate="tanh") * up


class MLP(nn.Module):
    """The SwiGLU feed-forward layer, or GeGLU's."""

    def __init__(self, hidden: int, intermediate: int, bias: bool, parts: Parts, act: str = "silu"):
        super().__init__()
        self.gate_proj = Linear(hidden, intermediate, bias=bias)
        self.up_proj = Linear(hidden, intermediate, bias=bias)
        self.down_proj = Linear(intermediate, hidden, bias=bias)
        self.parts = parts
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        gated = self.parts.swiglu if self.act == "silu" else geglu
        return self.down_proj(gated(self.gate_proj(x), self.up_proj(x)))


class MoE(nn.Module):
    """A mixture of experts: a router sends each token to its k best experts (Shazeer et al., 2017; Qwen3-MoE)."""

    def __init__(self, config: ModelConfig, parts: Parts):
        super().__init__()
        self.parts = parts
        self.k = config.num_experts_per_tok
        self.norm_topk_prob = config.norm_topk_prob
        self.gate = Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = nn.ModuleList(
            MLP(config.hidden_size, config.moe_intermediate_size, False, parts) for _ in range(config.num_experts)
        )

    def forward(self, x_BTD: Tensor, router_logits: list[Tensor] | None) -> Tensor:
        x_ND = x_BTD.flatten(0, 1)
        logits_NE = self.gate(x_ND)
        if router_logits is not None:
            router_logits.append(logits_NE)
        weights_Nk, experts_Nk = self.parts.route_tokens(logits_NE, self.k, self.norm_topk_prob)
        # Sort the (token, slot) pairs by expert, so that every expert multiplies one contiguous block.
        order = experts_Nk.flatten().argsort(stable=True)
        tokens = order // self.k
        run = self._one_product if self.is_grouped(x_ND) else self._one_by_one
        done = run(x_ND[tokens], experts_Nk.flatten()[order])
        done = done * weights_Nk.flatten()[order, None].to(done.dtype)
        return torch.zeros_like(x_ND).index_add(0, tokens, done).view_as(x_BTD)

    def is_grouped(self, x: Tensor) -> bool:
        """Whether all experts run as one product: torch 2.13 has a kernel for it in bf16, compute capability 9 or 10, on Linux.

        The host then waits for nothing and every shape is fixed, so torch.compile takes it. Elsewhere `grouped_mm` reads the
        sizes on the host three times a layer, and one after the other does so once.
        """
        if x.device.type != "cuda" or x.dtype != torch.bfloat16 or sys.platform == "win32":
            return False
        expert = self.experts[0]
        assert isinstance(expert, MLP)
        plain = all(type(layer) is Linear for layer in expert.children())  # not adapted or quantised
        aligned = all(size % 8 == 0 for size in expert.gate_proj.weight.shape)  # 16 bytes
        return plain and aligned and torch.cuda.get_device_properties(x.device).major in (9, 10)

    def _one_by_one(self, x_MD: Tensor, experts_M: Tensor) -> Tensor:
        sizes = experts_M.bincount(minlength=len(self.experts)).tolist()
        return torch.cat([expert(block) for expert, block in zip(self.experts, x_MD.split(sizes))])

    def _one_product(self, x_MD: Tensor, experts_M: Tensor) -> Tensor:
        numbers = torch.arange(len(self.experts), device=x_MD.device)
        ends = torch.searchsorted(experts_M, numbers, right=True).to(torch.int32)

        def project(x: Tensor, name: str) -> Tensor:
            weight_EIO = torch.stack([getattr(expert, name).weight.to(x.dtype) for expert in self.experts]).mT
            return F.grouped_mm(x, weight_EIO, offs=ends)

        gated = self.parts.swiglu(project(x_MD, "gate_proj"), project(x_MD, "up_proj"))
        return project(gated, "down_proj")


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, config: ModelConfig, layer: int, parts: Parts):
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps, parts, config.norm_offset)
        self.self_attn = Attention(config, layer, parts)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps, parts, config.norm_offset)
        self.mlp = (
            MoE(config, parts)
            if config.is_sparse(layer)
            else MLP(config.hidden_size, config.intermediate_size, config.mlp_bias, parts, config.hidden_act)
        )

    def forward(
        self,
        x_BTD: Tensor,
        rope: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,
        router_logits: list[Tensor] | None,
    ) -> Tensor:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), rope, mask, cache)
        normed = self.post_attention_layernorm(x_BTD)
        return x_BTD + (self.mlp(normed, router_logits) if isinstance(self.mlp, MoE) else self.mlp(normed))


class SandwichBlock(Block):
    """x + norm(attention(norm(x))), then x + norm(feed-forward(norm(x))): what is added is normalised too (Gemma 3)."""

    def __init__(self, config: ModelConfig, layer: int, parts: Parts):
        super().__init__(config, layer, parts)
        self.pre_feedforward_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps, parts, config.norm_offset)
        self.post_feedforward_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps, parts, config.norm_offset)

    def forward(
        self,
        x_BTD: Tensor,
        rope: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,
        router_logits: list[Tensor] | None,
    ) -> Tensor:
        attended = self.self_attn(self.input_layernorm(x_BTD), rope, mask, cache)
        x_BTD = x_BTD + self.post_attention_layernorm(attended)
        return x_BTD + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(x_BTD)))
