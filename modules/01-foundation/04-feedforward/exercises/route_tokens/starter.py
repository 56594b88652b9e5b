import torch


def route_tokens(logits_NE: torch.Tensor, k: int, normalise: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The k best experts of every word: logits [N, E] -> weights fp32 [N, k], experts int64 [N, k], best first."""
    raise NotImplementedError
