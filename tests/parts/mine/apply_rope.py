import torch


def apply_rope(x_BHTD, cos, sin):
    half = x_BHTD.shape[-1] // 2
    a, b = x_BHTD[..., :half], x_BHTD[..., half:]
    c, s = cos[..., :half], sin[..., :half]
    return torch.cat([a * c - b * s, b * c + a * s], dim=-1)
