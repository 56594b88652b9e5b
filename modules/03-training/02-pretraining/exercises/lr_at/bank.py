"""Wrong and right ways to write lr_at. Every mistake is the right schedule with one thing changed."""

from __future__ import annotations

import math

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def after(progress, warmup):
    return (progress - warmup) / (1 - warmup)


def known(schedule):
    if schedule not in ("constant", "linear", "cosine", "wsd"):
        raise ValueError(f"unknown schedule {schedule!r}")


def height(progress, warmup, schedule, decay, s=None):
    """The curve behind the warm-up, between 0 and 1."""
    s = after(progress, warmup) if s is None else s
    if schedule == "wsd":
        return min(1.0, (1 - progress) / decay)
    return {"constant": 1.0, "linear": 1 - s, "cosine": 0.5 * (1 + math.cos(math.pi * s))}[schedule]


def right(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    return progress / warmup if progress < warmup else floor + (1 - floor) * height(progress, warmup, schedule, decay)


@mistake(
    Text(
        "不认识的 schedule 被当成了 constant：打错一个字母就悄悄换了计划。应当抛出 ValueError。",
        "An unknown schedule is taken for constant: one wrong letter and another schedule runs. Raise ValueError.",
    )
)
def unknown_is_constant(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    schedule = schedule if schedule in ("linear", "cosine", "constant", "wsd") else "constant"
    return right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)


@mistake(
    Text(
        "不认识的 schedule 只在预热之后才抛出 ValueError：打错一个字母，训练要先跑完预热才停下。先检查名字。",
        "An unknown schedule raises ValueError only after the warm-up: with one wrong letter a run first warms up and "
        "then stops. Check the name first.",
    )
)
def raised_after_the_warmup(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    if progress < warmup:
        return progress / warmup
    return right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)


@mistake(
    Text(
        "你抛出的是 KeyError。约定的是 ValueError：参数的类型对，值不对。",
        "You raise KeyError. ValueError is agreed: the argument has the right type and a wrong value.",
    )
)
def key_error(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    if schedule not in ("constant", "linear", "cosine", "wsd"):
        raise KeyError(schedule)
    return right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)


@mistake(
    Text(
        "没有预热：progress < warmup 时系数应当从 0 升到 1。",
        "There is no warm-up: below it the factor rises from 0 to 1.",
    )
)
def no_warmup(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    return floor + (1 - floor) * (1.0 if progress < warmup else height(progress, warmup, schedule, decay))


@mistake(
    Text(
        "constant 没有预热。四种计划都要先预热。",
        "constant has no warm-up. All four schedules warm up first.",
    )
)
def constant_never_warms(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    return (
        1.0 if schedule == "constant" else right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)
    )


@mistake(
    Text(
        "预热从 floor 开始了。预热从 0 升到 1，floor 只管终点。",
        "The warm-up begins at floor. It rises from 0 to 1; floor is about the end only.",
    )
)
def warmup_from_floor(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return floor + (1 - floor) * progress / warmup
    return right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)


@mistake(
    Text(
        "预热里 progress 没有除以 warmup：升不到 1，接着就突然跳上去。",
        "In the warm-up progress is not divided by warmup: it does not reach 1, and then the factor jumps.",
    )
)
def warmup_not_divided(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    return (
        progress if progress < warmup else right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)
    )


@mistake(
    Text(
        "预热和下降乘在了一起：预热期间曲线已经在下降了，升不到 1。",
        "Warm-up and decay are multiplied: the curve falls during the warm-up already and never reaches 1.",
    )
)
def warmup_times_decay(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    rise = min(1.0, progress / warmup) if warmup else 1.0
    return rise * (floor + (1 - floor) * height(progress, warmup, schedule, decay, s=progress))


@mistake(
    Text(
        "s 从训练开头算起了。linear 和 cosine 从预热结束的地方开始下降：s = (progress - warmup) / (1 - warmup)。",
        "s is counted from the beginning of training. linear and cosine fall from the end of the warm-up: "
        "s = (progress - warmup) / (1 - warmup).",
    )
)
def from_the_beginning(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return progress / warmup
    return floor + (1 - floor) * height(progress, warmup, schedule, decay, s=progress)


@mistake(
    Text(
        "s 没有除以 1 - warmup：走到终点时还没有降到 floor。",
        "s is not divided by 1 - warmup: at the end the curve has not come down to floor.",
    )
)
def not_stretched(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return progress / warmup
    return floor + (1 - floor) * height(progress, warmup, schedule, decay, s=progress - warmup)


@mistake(
    Text(
        "floor 没有用到：终点应当是 floor，不是 0。",
        "floor is not used: the end is at floor, not at 0.",
    )
)
def floor_ignored(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    return right(progress, warmup=warmup, schedule=schedule, decay=decay)


@mistake(
    Text(
        "你用 max(floor, …) 截断了。应当把整条曲线压缩到 floor 和 1 之间：floor + (1 - floor) · 高度。",
        "You cut the curve off with max(floor, …). Squeeze all of it between floor and 1: floor + (1 - floor) · height.",
    )
)
def cut_at_floor(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return progress / warmup
    return max(floor, height(progress, warmup, schedule, decay))


@mistake(
    Text(
        "加了 floor 却没有乘 (1 - floor)：系数会超过 1。",
        "floor is added but (1 - floor) is missing: the factor exceeds 1.",
    )
)
def floor_added(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return progress / warmup
    return 1.0 if schedule == "constant" else floor + height(progress, warmup, schedule, decay)


@mistake(
    Text(
        "余弦写反了：1 - cos 从 0 升到 1。要从 1 降到 0，用 1 + cos(π · s)。",
        "The cosine is upside down: 1 - cos rises from 0. To fall from 1 use 1 + cos(π · s).",
    )
)
def cosine_upside_down(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if schedule != "cosine" or progress < warmup:
        return right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)
    return floor + (1 - floor) * 0.5 * (1 - math.cos(math.pi * after(progress, warmup)))


@mistake(
    Text(
        "你用了四分之一个周期的余弦 cos(π · s / 2)。这里是半个周期：(1 + cos(π · s)) / 2。",
        "You use a quarter of a cosine, cos(π · s / 2). Half of one is wanted: (1 + cos(π · s)) / 2.",
    )
)
def quarter_cosine(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if schedule != "cosine" or progress < warmup:
        return right(progress, warmup=warmup, schedule=schedule, decay=decay, floor=floor)
    return floor + (1 - floor) * math.cos(math.pi / 2 * after(progress, warmup))


@mistake(
    Text(
        "wsd 里的 decay 你按预热之后的部分算了。它是整个训练的比例：从 progress = 1 - decay 开始降。",
        "In wsd you take decay as a part of what follows the warm-up. It is a part of the whole training: the fall begins at 1 - "
        "decay.",
    )
)
def decay_of_the_rest(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return progress / warmup
    return floor + (1 - floor) * height(progress, warmup, schedule, decay * (1 - warmup))


@mistake(
    Text(
        "wsd 从 progress = decay 就开始降了。decay 是最后一段的长度，应当从 1 - decay 开始。",
        "wsd begins to fall at progress = decay. decay is the length of the last part: begin at 1 - decay.",
    )
)
def decay_as_a_place(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return progress / warmup
    return floor + (1 - floor) * height(progress, warmup, schedule, 1 - decay)


@mistake(
    Text(
        "wsd 的长度写死成了 0.3：请用参数 decay。",
        "The length of wsd's fall is fixed at 0.3: use the argument decay.",
    )
)
def decay_hard_coded(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    return right(progress, warmup=warmup, schedule=schedule, floor=floor)


@mistake(
    Text(
        "wsd 的最后一段你用了余弦。这里是直线。",
        "The last part of wsd is a cosine in yours. Here it is a straight line.",
    )
)
def wsd_with_a_cosine(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    value = right(progress, warmup=warmup, schedule=schedule, decay=decay)
    if schedule == "wsd" and progress >= warmup:
        value = 0.5 * (1 - math.cos(math.pi * value))
    return value if progress < warmup else floor + (1 - floor) * value


@variant
def as_the_engine(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    known(schedule)
    if progress < warmup:
        return progress / warmup
    left = 1 - after(progress, warmup)
    curves = {
        "constant": lambda: 1.0,
        "linear": lambda: floor + (1 - floor) * left,
        "cosine": lambda: floor + (1 - floor) * 0.5 * (1 - math.cos(math.pi * left)),
        "wsd": lambda: floor + (1 - floor) * min(1.0, (1 - progress) / decay),
    }
    return curves[schedule]()


@variant
def between_points(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    """Straight lines between corners; the cosine bends the linear one."""
    if schedule not in ("constant", "linear", "cosine", "wsd"):
        raise ValueError(schedule)
    if progress < warmup:
        return progress / warmup
    begin = max(warmup, 1 - decay) if schedule == "wsd" else warmup
    top = min(1.0, (1 - warmup) / decay) if schedule == "wsd" else 1.0
    part = max(0.0, (progress - begin) / (1 - begin))
    value = {"constant": 1.0, "cosine": math.cos(math.pi * part / 2) ** 2}.get(schedule, top * (1 - part))
    return value if schedule == "constant" else floor * (1 - value) + value


@variant
def as_a_product(progress, *, warmup, schedule, decay=0.3, floor=0.0):
    """Warm-up first; behind it the curve as 1 minus what is lost."""
    if {"constant", "linear", "cosine", "wsd"}.isdisjoint([schedule]):
        raise ValueError(schedule)
    if progress < warmup:
        return 1 - (warmup - progress) / warmup
    s = (progress - warmup) / (1 - warmup)
    if schedule == "cosine":
        lost = (1 - math.cos(math.pi * s)) / 2
    elif schedule == "linear":
        lost = s
    elif schedule == "wsd":
        lost = max(0.0, 1 - (1 - progress) / decay)
    else:
        lost = 0.0
    return 1 - (1 - floor) * lost
