"""The reference parts: each is the shortest exact form of one idea, in plain torch.

Shapes: B batch, T query positions, S key positions, H heads, D head size, V vocabulary, N tokens, E experts.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Scale every vector of `x` [..., D] to root mean square 1, times `weight` [D] (Zhang & Sennrich, 2019).

    The mean is taken in fp32 whatever the dtype of `x`, and the result is cast back before the product, as Hugging
    Face's models do, so that half-precision logits agree with theirs.
    """
    x32 = x.float()
    x32 = x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + eps)
    return weight.to(x.dtype) * x32.to(x.dtype)


def apply_rope(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs (i, i + D/2) of every head vector by its position's angles (RoFormer; half-split pairing as in HF).

    `cos` and `sin` are [T, D] or [B, 1, T, D] with each angle standing twice, once for each half.
    """
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-second, first), dim=-1) * sin


def attention(q_BHTD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention -> [B, H, T, D]. Keys and values may have fewer heads, G (grouped-query attention).

    `mask` None means causal when T == S, and attend to everything when T == 1 (one new token over a cache); else a
    bool or additive mask that broadcasts to [B, H, T, S] (bool True = may attend).
    """
    B, H, T, D = q_BHTD.shape
    G, S = k_BHSD.shape[1:3]
    causal = mask is None and T > 1
    if q_BHTD.requires_grad and q_BHTD.dtype == torch.bfloat16 and q_BHTD.device.type == "cpu" and T <= 512:
        # Here the fused kernel's backward pass is slow: written out, a training step takes half to two thirds of its time.
        return explicit_attention(q_BHTD, k_BHSD, v_BHSD, causal_mask(T, q_BHTD) if causal else mask)
    if G == H:
        return F.scaled_dot_product_attention(q_BHTD, k_BHSD, v_BHSD, attn_mask=mask, is_causal=causal)
    if T == 1:  # the query heads of a group become rows of one product, which every kernel knows
        rows = None if mask is None else mask.expand(B, H, 1, S).reshape(B, G, -1, S)
        return F.scaled_dot_product_attention(q_BHTD.reshape(B, G, -1, D), k_BHSD, v_BHSD, attn_mask=rows).view(
            B, H, 1, D
        )
    if not fused_takes_groups(q_BHTD, mask):
        k_BHSD, v_BHSD = (x[:, :, None].expand(B, G, H // G, S, D).reshape(B, H, S, D) for x in (k_BHSD, v_BHSD))
    return F.scaled_dot_product_attention(
        q_BHTD, k_BHSD, v_BHSD, attn_mask=mask, is_causal=causal, enable_gqa=k_BHSD.shape[1] != H
    )


def fused_takes_groups(q_BHTD: Tensor, mask: Tensor | None) -> bool:
    """Whether a fused kernel takes grouped keys as they are; where none does, `attention` repeats them for all heads.

    On CUDA flash attention does: half precision, no mask, compute capability 8, heads of up to 256. For anything else torch
    falls back, without a word, on the formula in fp32, whose B H T² weights every layer keeps for the backward pass (the
    memory-efficient kernel takes a mask, but no groups). Packed rows have a mask. By arithmetic, for a batch of 32 rows of
    512 in bf16, 8 heads over 4 of size 96 (MiniMind's), a layer keeps

    | what runs                     | MiB | of which                                                              |
    |-------------------------------|-----|-----------------------------------------------------------------------|
    | the formula                   | 424 | weights B·H·T²·4 bytes: 256; q, k, v of 8 heads in fp32: 144; output  |
    | all heads, memory-efficient   |  96 | q, k, v of 8 heads, output; beside the one mask of all layers, 16     |
    | by documents, groups kept     |  72 | q, output; k, v of 4 heads                                            |

    and computes 4·B·H·T²·D = 26 GFLOP forward in the first two; by documents of 128 tokens it would be 3, beside 242 of the
    layer's matrices. So repeating saves nearly all of the memory, on every card and system, and a kernel for documents might
    save a tenth of the time: `bench/gpu.py` measures both.
    """
    if q_BHTD.device.type != "cuda":
        return True
    half = q_BHTD.dtype in (torch.float16, torch.bfloat16)
    new = torch.cuda.get_device_properties(q_BHTD.device).major >= 8
    return mask is None and half and new and q_BHTD.shape[-1] <= 256


def explicit_attention(q_BHTD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None) -> Tensor:
    """The formula itself, softmax(q k^T / sqrt(D) + mask) v. G key heads, each read by H/G query heads. `mask` as in `attention`,
    None: everything."""
    B, H, T, D = q_BHTD.shape
    G, S = k_BHSD.shape[1:3]
    # The query heads of a group become more rows of one product.
    q_BGRD = (q_BHTD * D**-0.5).reshape(B, G, H // G * T, D)
    scores_BHTS = (q_BGRD @ k_BHSD.mT).view(B, H, T, S)
    if mask is not None and mask.dtype == torch.bool:
        scores_BHTS = scores_BHTS.masked_fill(~mask, float("-inf"))
    elif mask is not None:
        scores_BHTS = scores_BHTS + mask
    weights = scores_BHTS.softmax(-1).view(B, G, -1, S)
    return (weights @ v_BHSD).view(B, H, T, D)


def causal_mask(T: int, like: Tensor) -> Tensor:
    """Additive [1, 1, T, T]: 0 where a position may look (itself and before), -inf where it may not."""
    return torch.full((1, 1, T, T), float("-inf"), dtype=like.dtype, device=like.device).triu(1)


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up (Shazeer, 2020): the gate decides how much of `up` passes."""
    return F.silu(gate) * up


def route_tokens(logits_NE: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor]:
    """The k best experts of every token, the best first: (their softmax weights [N, k] in fp32, their numbers [N, k]).

    With `normalise` a token's k weights add up to 1 (Mixtral, Qwen3-MoE). Source: Shazeer et al., 2017.
    """
    weights_Nk, experts_Nk = logits_NE.float().softmax(-1).topk(k, dim=-1)
    if normalise:
        weights_Nk = weights_Nk / weights_Nk.sum(-1, keepdim=True)
    return weights_Nk, experts_Nk


def sft_targets(ids_T: Tensor, answer_T: Tensor) -> Tensor:
    """What every position of a conversation learns to predict, int64 [T]: the next token where that is part of an answer
    (`answer_T` is True there), else -100. The last position has no next token."""
    targets_T = torch.full_like(ids_T, -100)
    targets_T[:-1] = torch.where(answer_T[1:], ids_T[1:], -100)
    return targets_T


def cross_entropy(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Sum (not mean) of -log p(target) in nats over N positions; a target of -100 counts nothing."""
    return F.cross_entropy(logits_NV.float(), targets_N, ignore_index=-100, reduction="sum")


def kd_loss(student_NV: Tensor, teacher_NV: Tensor, temperature: float) -> Tensor:
    """temperature² times the sum over N positions of KL(teacher ‖ student), in nats, of the softmax of logits / temperature.

    Softened distributions have gradients that shrink as 1/temperature²; the factor makes them as large as those of the
    cross-entropy (Hinton et al., 2015). The teacher gets no gradient.
    """
    student, teacher = ((logits.float() / temperature).log_softmax(-1) for logits in (student_NV, teacher_NV.detach()))
    return temperature**2 * F.kl_div(student, teacher, log_target=True, reduction="sum")


def clip_gradients(grads: list[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients in place so that their norm, taken over every number of every one, is at most `max_norm`.

    Returns that norm as it was before. One factor for all keeps the direction of the step (Pascanu et al., 2013); 1e-6
    guards the division, as in torch.
    """
    norm = torch.nn.utils.get_total_norm(grads)
    torch._foreach_mul_(grads, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def adamw_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    step: int,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """One AdamW update in place (Loshchilov & Hutter, 2019). `step` counts from 1; decay does not pass through Adam."""
    param.mul_(1 - lr * weight_decay)
    exp_avg.lerp_(grad, 1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    corrected = (exp_avg_sq / (1 - beta2**step)).sqrt_().add_(eps)
    param.addcdiv_(exp_avg, corrected, value=-lr / (1 - beta1**step))


def lr_at(progress: float, *, warmup: float, schedule: str, decay: float = 0.3, floor: float = 0.0) -> float:
    """Learning-rate multiplier in [0, 1] at `progress` in [0, 1] of the run.

    `warmup` is the fraction of the run in which the rate rises linearly. Afterwards `schedule` is "linear" or
    "cosine" (down to `floor`), "constant", or "wsd": warm-up, stable, then linear decay over the last `decay`
    fraction (Hu et al., MiniCPM, 2024); or "minimind": a cosine from 1 to 0.1 that knows no warm-up. ValueError for any
    other name, during the warm-up too.
    """
    if schedule not in ("linear", "cosine", "wsd", "constant", "minimind"):
        raise ValueError(f"unknown schedule {schedule!r}: use linear, cosine, wsd, constant or minimind")
    if schedule == "minimind":
        return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))
    if progress < warmup:
        return progress / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "wsd":
        return floor + (1 - floor) * min(1.0, (1 - progress) / decay)
    left = 1 - (progress - warmup) / (1 - warmup)
    if schedule == "cosine":
        return floor + (1 - floor) * 0.5 * (1 - math.cos(math.pi * left))
    return floor + (1 - floor) * left


def dpo_loss(chosen_B: Tensor, rejected_B: Tensor, ref_chosen_B: Tensor, ref_rejected_B: Tensor, beta: float) -> Tensor:
    """-log σ(β · difference of log-ratios) of every pair, fp32 [B]: a classifier whose logit is the difference of implied
    rewards (DPO, Rafailov et al., 2023, arXiv:2305.18290). ln 2 while the model is its reference.

    `chosen_B`, `rejected_B`: log p of whole answers under the model, sums over tokens; `ref_…`: under the reference.
    """
    return -F.logsigmoid(beta * ((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B)))
