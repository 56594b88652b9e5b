import torch


def kv_cache_step(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cache_k: torch.Tensor,
    cache_v: torch.Tensor,
    position: int,
) -> torch.Tensor:
    """Store k, v [B, H, 1, D] in slot `position` of the caches [B, H, S_max, D], in place; attend to slots 0..position.

    Returns [B, H, 1, D].
    """
    cache_k[:, :, position] = k[:, :, 0]
    cache_v[:, :, position] = v[:, :, 0]
    keys = cache_k[:, :, : position + 1]  # a view: nothing is copied, and what lies behind is never read
    values = cache_v[:, :, : position + 1]
    scores = q @ keys.transpose(-2, -1) * q.shape[-1] ** -0.5
    return scores.softmax(-1) @ values
