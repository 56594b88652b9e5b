import torch


def attention(
    q_BHTD: torch.Tensor, k_BHSD: torch.Tensor, v_BHSD: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Attention of q [B, H, T, D] over k, v [B, G, S, D] -> [B, H, T, D]; H / G neighbouring query heads share one of k, v.

    `mask`: None (causal when T == S > 1, everything when T == 1), or bool (True = may attend) or additive,
    broadcasting to [B, H, T, S].
    """
    H, T, D = q_BHTD.shape[1:]
    G, S = k_BHSD.shape[1:3]
    k = k_BHSD.repeat_interleave(H // G, dim=1)
    v = v_BHSD.repeat_interleave(H // G, dim=1)
    scores = (q_BHTD * D**-0.5) @ k.transpose(-2, -1)  # scaling q costs less than scaling the T x S scores
    if mask is None and T > 1:
        mask = torch.ones(T, S, dtype=torch.bool, device=q_BHTD.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1) @ v
