import torch


def multi_head_attention(
    x: torch.Tensor,
    wq: torch.Tensor,
    wk: torch.Tensor,
    wv: torch.Tensor,
    wo: torch.Tensor,
    num_heads: int,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Self-attention of x [B, T, C] with `num_heads` heads of C / num_heads numbers each -> [B, T, C].

    Weights are [out, in] = [C, C]; `mask` is None or bool that broadcasts to [B, H, T, T], True = may attend.
    """
    raise NotImplementedError
