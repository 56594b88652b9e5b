import math


def lr_at(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    if schedule == "minimind":
        return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))
    if progress < warmup:
        return progress / warmup
    after = (progress - warmup) / (1 - warmup)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1 - (1 - floor) * after
    if schedule == "cosine":
        return floor + (1 - floor) * (1 + math.cos(math.pi * after)) / 2
    if schedule == "wsd":
        return 1.0 if progress <= 1 - decay else floor + (1 - floor) * (1 - progress) / decay
    raise ValueError(schedule)
