"""How evenly the routers of a mixture of experts spread the tokens of a row: the term that keeps experts from dying."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def router_balance(router_logits: Sequence[Tensor], k: int, real_BT: Tensor) -> Tensor:
    """The balance loss of every row, fp32 [B]: E * sum over experts of (share of the row's tokens * mean probability).

    `router_logits`: what `Transformer.hidden` collects, [B*T, E] a layer; `real_BT` is False for padding, which counts
    nowhere. The mean over layers; it is k where the load is even, 0 for a row of padding alone. The share is counted and has
    no gradient; the gradient goes through the probability.

    It is taken over a row, not over a batch (Fedus et al., 2021; the sequence-wise loss of DeepSeek-V3, 2024), because it is
    no sum: of two batches with the same rows, split otherwise, the losses of the parts would say something else. Rows stay
    whole, so that a sum over rows is the same for micro-batches, processes and after memory ran out.
    """
    B, T = real_BT.shape
    real_BT1 = real_BT[..., None].float()
    size_B1 = real_BT1.sum(1).clamp(min=1)
    total_B = torch.zeros(B, device=real_BT.device)
    for logits_NE in router_logits:
        num_experts = logits_NE.shape[-1]
        p_BTE = logits_NE.float().softmax(-1).view(B, T, num_experts)
        chosen_BTE = torch.zeros_like(p_BTE).scatter_(-1, p_BTE.topk(k, dim=-1).indices, 1.0)
        share_BE, mean_BE = ((x * real_BT1).sum(1) / size_B1 for x in (chosen_BTE, p_BTE))
        total_B = total_B + num_experts * (share_BE * mean_BE).sum(-1)
    return total_B / len(router_logits)


def load_balance(logits_NE: Tensor, k: int) -> Tensor:
    """Switch-style balance loss as in HF's `load_balancing_loss_func`: E * sum over experts of (share of slots * mean p).

    It is k when the load is even. Source: Fedus et al., 2021, for top-k.
    """
    num_experts = logits_NE.shape[-1]
    p_NE = logits_NE.float().softmax(-1)
    chosen = p_NE.topk(k, dim=-1).indices
    share_E = torch.zeros_like(p_NE).scatter_(1, chosen, 1.0).mean(0)
    return num_experts * (share_E * p_NE.mean(0)).sum()
