import torch


def attention(
    q_BHTD: torch.Tensor, k_BHSD: torch.Tensor, v_BHSD: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Attention of q [B, H, T, D] over k, v [B, G, S, D] -> [B, H, T, D]; H / G neighbouring query heads share one of k, v.

    `mask`: None (causal when T == S > 1, everything when T == 1), or bool (True = may attend) or additive,
    broadcasting to [B, H, T, S].
    """
    raise NotImplementedError
