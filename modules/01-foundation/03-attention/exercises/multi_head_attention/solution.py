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
    B, T, C = x.shape
    D = C // num_heads

    def heads(weight: torch.Tensor) -> torch.Tensor:
        return (x @ weight.T).view(B, T, num_heads, D).transpose(1, 2)  # [B, H, T, D]

    scores = heads(wq) @ heads(wk).transpose(-2, -1) / D**0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    out = scores.softmax(-1) @ heads(wv)
    return out.transpose(1, 2).reshape(B, T, C) @ wo.T
