import torch


def padding_mask(lengths: torch.Tensor, length: int, left: bool) -> torch.Tensor:
    """bool [B, 1, 1, S], True = a real word: `lengths` int64 [B], filled up to S = `length` on the left or the right."""
    positions = torch.arange(length)[None, :]
    lengths = lengths[:, None]
    real = positions >= length - lengths if left else positions < lengths
    return real[:, None, None, :]
