import math


def lr_at(progress: float, *, warmup: float, schedule: str, decay: float = 0.3, floor: float = 0.0) -> float:
    """Factor of the learning rate at `progress` in [0, 1]; schedule: "constant", "linear", "cosine" or "wsd"."""
    if schedule not in ("constant", "linear", "cosine", "wsd"):
        raise ValueError(f"unknown schedule {schedule!r}: use constant, linear, cosine or wsd")
    if progress < warmup:
        return progress / warmup
    if schedule == "constant":
        return 1.0
    s = (progress - warmup) / (1 - warmup)  # the part of the way after the warm-up
    if schedule == "linear":
        height = 1 - s
    elif schedule == "cosine":
        height = 0.5 * (1 + math.cos(math.pi * s))
    else:
        height = min(1.0, (1 - progress) / decay)
    return floor + (1 - floor) * height
