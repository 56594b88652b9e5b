import math


def lr_at(progress: float, *, warmup: float, schedule: str, decay: float = 0.3, floor: float = 0.0) -> float:
    """Factor of the learning rate at `progress` in [0, 1]; schedule: "constant", "linear", "cosine" or "wsd"."""
    raise NotImplementedError
