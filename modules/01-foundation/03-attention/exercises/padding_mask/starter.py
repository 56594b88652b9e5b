import torch


def padding_mask(lengths: torch.Tensor, length: int, left: bool) -> torch.Tensor:
    """bool [B, 1, 1, S], True = a real word: `lengths` int64 [B], filled up to S = `length` on the left or the right."""
    raise NotImplementedError
