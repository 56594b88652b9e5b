"""log p of every token and of whole answers, with gradients, that never build the whole [N, V] logits."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.training.losses import chunk_size


class _ChunkedLogProbs(torch.autograd.Function):
    """Forward keeps one number a target; backward makes the logits of a chunk again, since only then the weight of every
    target is known."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
        head = weight_VD.detach().to(hidden_ND.dtype)
        logps, sums = hidden_ND.new_empty(len(hidden_ND), dtype=torch.float32), []
        size = chunk_size(weight_VD.shape[0])
        for i in range(0, len(hidden_ND), size):
            logits = F.linear(hidden_ND[i : i + size], head).float()
            sums.append(logits.logsumexp(-1))
            logps[i : i + size] = logits.gather(1, targets_N[i : i + size, None]).squeeze(1) - sums[-1]
        ctx.save_for_backward(hidden_ND, weight_VD, targets_N, torch.cat(sums) if sums else logps)
        return logps

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden_ND, weight_VD, targets_N, sums_N = ctx.saved_tensors
        head = weight_VD.detach().to(hidden_ND.dtype)
        grad_hidden = torch.empty_like(hidden_ND)
        grad_weight = torch.zeros_like(weight_VD, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        size = chunk_size(weight_VD.shape[0])
        for i in range(0, len(hidden_ND), size):
            part = slice(i, i + size)
            by_logit = (F.linear(hidden_ND[part], head).float() - sums_N[part, None]).exp_().neg_()
            by_logit[torch.arange(len(by_logit), device=by_logit.device), targets_N[part]] += 1
            by_logit = (by_logit * grads[0][part, None]).to(hidden_ND.dtype)
            grad_hidden[part] = by_logit @ head
            if grad_weight is not None:
                grad_weight += (by_logit.mT @ hidden_ND[part]).float()
        return grad_hidden, None if grad_weight is None else grad_weight.to(weight_VD.dtype), None


def token_logps(hidden_BTD: Tensor, weight_VD: Tensor, targets_BT: Tensor) -> Tensor:
    """log p of every target in nats, fp32 [M] in the order of the positions whose target is not -100, with gradients."""
    places = (targets_BT.flatten() != -100).nonzero().squeeze(1)
    targets_M = targets_BT.flatten()[places].to(hidden_BTD.device, non_blocking=True)
    hidden_MD = hidden_BTD.flatten(0, 1)[places.to(hidden_BTD.device, non_blocking=True)]
    return _ChunkedLogProbs.apply(hidden_MD, weight_VD, targets_M)  # type: ignore[no-any-return]


def sequence_logps(hidden_BTD: Tensor, weight_VD: Tensor, targets_BT: Tensor, places_M: Tensor, count: int) -> Tensor:
    """log p of `count` answers, fp32 [count]: the sums over their tokens. `places_M`: of every target its answer's number."""
    logps_M = token_logps(hidden_BTD, weight_VD, targets_BT)
    return logps_M.new_zeros(count).index_add(0, places_M.to(logps_M.device, non_blocking=True), logps_M)
