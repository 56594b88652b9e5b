import math

import torch


def attention(q_BHTD, k_BHSD, v_BHSD, mask):
    heads, groups = q_BHTD.shape[1], k_BHSD.shape[1]
    k = k_BHSD.repeat_interleave(heads // groups, dim=1)
    v = v_BHSD.repeat_interleave(heads // groups, dim=1)
    scores = q_BHTD @ k.transpose(-2, -1) / math.sqrt(q_BHTD.shape[-1])
    T, S = scores.shape[-2:]
    if mask is None and T > 1:
        mask = torch.ones(T, S, dtype=torch.bool, device=scores.device).tril()
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, float("-inf"))
    elif mask is not None:
        scores = scores + mask
    return torch.softmax(scores, dim=-1) @ v
