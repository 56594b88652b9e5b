"""What lr_at must do. Oracle: exact fractions, and torch's cosine for the one curve that is no straight line."""

from __future__ import annotations

from fractions import Fraction

import torch

from fledge.course.grader.checking import Case, Text

SCHEDULES = ("constant", "linear", "cosine", "wsd")


def oracle(progress: float, *, warmup: float, schedule: str, decay: float = 0.3, floor: float = 0.0) -> float:
    now, warm, low = Fraction(progress), Fraction(warmup), Fraction(floor)
    if now < warm:
        return float(now / warm)
    done = (now - warm) / (1 - warm)
    if schedule == "cosine":
        angle = torch.tensor(float(done), dtype=torch.float64) * torch.pi
        return float(low + (1 - low) * Fraction(torch.cos(angle / 2).item()) ** 2)  # (1 + cos a) / 2 = cos²(a / 2)
    left = {"constant": Fraction(1), "linear": 1 - done, "wsd": min(Fraction(1), (1 - now) / Fraction(decay))}[schedule]
    return float(left if schedule == "constant" else low + (1 - low) * left)


def cases(rng: torch.Generator) -> list[Case]:
    def draw(low: float, high: float) -> float:
        return low + (high - low) * torch.rand(1, generator=rng, dtype=torch.float64).item()

    def case(name: str, progress: float, zh: str, en: str, **given) -> Case:
        return Case(name, (progress,), {"warmup": 0.2, **given}, about=Text(zh, en))

    made = []
    for schedule in SCHEDULES:
        places = {
            "start": 0.0,
            "warming": draw(0.05, 0.15),
            "warm": 0.2,
            "third": 0.36,
            "middle": 0.6,
            "late": 0.85,
            "end": 1.0,
        }
        for place, progress in places.items():
            made.append(
                case(
                    f"{schedule}_{place}", progress, f"{schedule}，progress = {progress:.3g}",
                    f"{schedule}, progress = {progress:.3g}", schedule=schedule,
                )
            )  # fmt: skip
        made += [
            case(f"{schedule}_floor", 0.9, f"{schedule}，floor = 0.1", f"{schedule}, floor = 0.1", schedule=schedule, floor=0.1),
            case(
                f"{schedule}_floor_warming", 0.05, f"{schedule}，预热中，floor = 0.1", f"{schedule}, warming up, floor = 0.1",
                schedule=schedule, floor=0.1,
            ),
            case(
                f"{schedule}_floor_end", 1.0, f"{schedule} 的终点，floor = 0.25", f"the end of {schedule}, floor = 0.25",
                schedule=schedule, floor=0.25,
            ),
            case(
                f"{schedule}_no_warmup", 0.0, f"{schedule}，没有预热，progress = 0", f"{schedule}, no warm-up, progress = 0",
                schedule=schedule, warmup=0.0,
            ),
            case(
                f"{schedule}_drawn", draw(0.45, 0.99), f"{schedule}，随机的数", f"{schedule}, random numbers",
                schedule=schedule, warmup=draw(0.05, 0.4), floor=draw(0.05, 0.5), decay=draw(0.2, 0.5),
            ),
        ]  # fmt: skip
    return [
        *made,
        case(
            "wsd_long_decay",
            0.45,
            "wsd，decay = 0.6，progress = 0.45",
            "wsd, decay = 0.6, progress = 0.45",
            schedule="wsd",
            decay=0.6,
        ),
        case(
            "wsd_short_decay",
            0.85,
            "wsd，decay = 0.1，progress = 0.85",
            "wsd, decay = 0.1, progress = 0.85",
            schedule="wsd",
            decay=0.1,
        ),
        *(
            Case(
                name,
                (progress,),
                {"warmup": 0.1, "schedule": "cosin"},
                raises="ValueError",
                about=Text(
                    f"打错的 schedule，progress = {progress}", f"a schedule that does not exist, progress = {progress}"
                ),
            )
            for name, progress in (("unknown_schedule", 0.5), ("unknown_warming", 0.05), ("unknown_start", 0.0))
        ),
    ]
