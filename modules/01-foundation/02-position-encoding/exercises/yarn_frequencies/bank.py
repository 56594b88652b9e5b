"""Wrong and right ways to write yarn_frequencies."""

import math

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def _pair(turns, dim, base, length):
    return dim * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(base))


def _band(dim, base, length, beta_fast, beta_slow):
    low, high = _pair(beta_fast, dim, base, length), _pair(beta_slow, dim, base, length)
    return max(math.floor(low), 0), min(math.ceil(high), dim - 1)


def _ramp(dim, low, high):
    return ((torch.arange(dim // 2).float() - low) / max(high - low, 0.001)).clamp(0, 1)


def _old(dim, base):
    return base ** (-torch.arange(0, dim, 2).float() / dim)


def _mix(dim, base, factor, ramp):
    return _old(dim, base) * (1 - ramp) + _old(dim, base) / factor * ramp


def _attention(factor):
    return 0.1 * math.log(factor) + 1.0


@mistake(
    Text(
        "你把所有频率都除以了 factor，那是线性插值（PI）。YaRN 只放慢转得慢的对。",
        "You divide every frequency by factor: that is linear interpolation (PI). YaRN only slows the slow pairs down.",
    )
)
def all_stretched(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    return _old(dim, base) / factor, _attention(factor)


@mistake(
    Text(
        "你改的是 base，那是 NTK 缩放。YaRN 的 base 不变，而是逐对混合两种频率。",
        "You change the base: that is NTK scaling. YaRN keeps the base and mixes two frequencies pair by pair.",
    )
)
def base_changed(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    return _old(dim, base * factor ** (dim / (dim - 2))), _attention(factor)


@mistake(
    Text(
        "坡用反了：ramp = 0 的对（转得快）保持不变，ramp = 1 的对（转得慢）才除以 factor。",
        "The ramp is the wrong way round: pairs with ramp = 0 (fast) stay, pairs with ramp = 1 (slow) are divided by factor.",
    )
)
def ramp_reversed(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    ramp = _ramp(dim, *_band(dim, base, original_length, beta_fast, beta_slow))
    return _mix(dim, base, factor, 1 - ramp), _attention(factor)


@mistake(
    Text(
        "坡没有截断：它要停在 0 和 1，否则区间外的对会被放慢过头，或者反而加快。",
        "The ramp is not clamped: it must stop at 0 and 1, else pairs outside the band are slowed too much or even sped up.",
    )
)
def ramp_not_clamped(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low, high = _band(dim, base, original_length, beta_fast, beta_slow)
    ramp = (torch.arange(dim // 2).float() - low) / max(high - low, 0.001)
    return _mix(dim, base, factor, ramp), _attention(factor)


@mistake(
    Text(
        "low 和 high 没有取整：low 向下取整，high 向上取整。",
        "low and high are not rounded: low goes down and high goes up to a whole number.",
    )
)
def not_rounded(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low = max(_pair(beta_fast, dim, base, original_length), 0)
    high = min(_pair(beta_slow, dim, base, original_length), dim - 1)
    return _mix(dim, base, factor, _ramp(dim, low, high)), _attention(factor)


@mistake(
    Text(
        "low 没有截到 0：原长度很短时它会是负数。",
        "low is not raised to 0: with a short original length it comes out negative.",
    )
)
def low_below_zero(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low = math.floor(_pair(beta_fast, dim, base, original_length))
    high = min(math.ceil(_pair(beta_slow, dim, base, original_length)), dim - 1)
    return _mix(dim, base, factor, _ramp(dim, low, high)), _attention(factor)


@mistake(
    Text(
        "high 没有截到 dim - 1：base 很小时它会超出范围。",
        "high is not lowered to dim - 1: with a small base it comes out beyond.",
    )
)
def high_too_large(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low = max(math.floor(_pair(beta_fast, dim, base, original_length)), 0)
    high = math.ceil(_pair(beta_slow, dim, base, original_length))
    return _mix(dim, base, factor, _ramp(dim, low, high)), _attention(factor)


@mistake(
    Text(
        "算第几对时少了 2π：转一圈是 2π 弧度，不是 1。",
        "2π is missing where you compute the pair: a turn is 2π radians, not 1.",
    )
)
def turns_without_two_pi(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    ramp = _ramp(dim, *_band(dim, base, original_length * 2 * math.pi, beta_fast, beta_slow))
    return _mix(dim, base, factor, ramp), _attention(factor)


@mistake(
    Text(
        "坡走得快了一倍：i 是第几对（0, 1, 2, …），你用的是列号（0, 2, 4, …）。",
        "Your ramp climbs twice as fast: i counts pairs (0, 1, 2, …), you use columns (0, 2, 4, …).",
    )
)
def columns_for_pairs(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low, high = _band(dim, base, original_length, beta_fast, beta_slow)
    ramp = ((torch.arange(0, dim, 2).float() - low) / max(high - low, 0.001)).clamp(0, 1)
    return _mix(dim, base, factor, ramp), _attention(factor)


@mistake(
    Text(
        "你混合的是波长（频率的倒数）。YaRN 混合的是频率本身。",
        "You mix the wavelengths (one over the frequency). YaRN mixes the frequencies.",
    )
)
def wavelengths_mixed(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    ramp = _ramp(dim, *_band(dim, base, original_length, beta_fast, beta_slow))
    return _old(dim, base) / (1 - ramp + factor * ramp), _attention(factor)


@mistake(
    Text(
        "beta_fast 和 beta_slow 没有用上：你写死了 32 和 1。",
        "beta_fast and beta_slow are not used: you wrote a fixed 32 and 1.",
    )
)
def betas_fixed(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    ramp = _ramp(dim, *_band(dim, base, original_length, 32.0, 1.0))
    return _mix(dim, base, factor, ramp), _attention(factor)


@mistake(
    Text(
        "你用拉长以后的长度算圈数。要用训练时的长度 original_length。",
        "You count the turns over the stretched length. Use the length of training, original_length.",
    )
)
def turns_over_the_new_length(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    ramp = _ramp(dim, *_band(dim, base, original_length * factor, beta_fast, beta_slow))
    return _mix(dim, base, factor, ramp), _attention(factor)


@mistake(
    Text(
        "注意力系数总是 1。它应当是 0.1·ln(factor) + 1。",
        "Your attention factor is always 1. It should be 0.1 ln(factor) + 1.",
    )
)
def attention_factor_missing(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    return _mix(dim, base, factor, _ramp(dim, *_band(dim, base, original_length, beta_fast, beta_slow))), 1.0


@mistake(
    Text(
        "注意力系数多平方了一次。cos 和 sin 各乘一次系数，q·k 里自然就成了平方，这里不用再平方。",
        "Your attention factor is squared. q and k are each multiplied by it once, so q·k has the square already: do not "
        "square it here.",
    )
)
def attention_factor_squared(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    ramp = _ramp(dim, *_band(dim, base, original_length, beta_fast, beta_slow))
    return _mix(dim, base, factor, ramp), _attention(factor) ** 2


@mistake(
    Text(
        "过渡区间的长度为 0 时你除以了 0，结果里有 nan。分母至少取 0.001。",
        "With a band of length 0 you divide by 0 and the result holds nan. Take at least 0.001 below the line.",
    )
)
def divided_by_zero(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low, high = _band(dim, base, original_length, beta_fast, beta_slow)
    ramp = ((torch.arange(dim // 2).float() - low) / (high - low)).clamp(0, 1)
    return _mix(dim, base, factor, ramp), _attention(factor)


@mistake(
    Text(
        "注意力系数里用了 log10。它应当是 0.1·ln(factor) + 1，自然对数：`math.log`。",
        "Your attention factor uses log10. It is 0.1 ln(factor) + 1 with the natural logarithm: `math.log`.",
    )
)
def decimal_logarithm(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    ramp = _ramp(dim, *_band(dim, base, original_length, beta_fast, beta_slow))
    return _mix(dim, base, factor, ramp), 0.1 * math.log10(factor) + 1.0


@variant
def pair_by_pair(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low, high = _band(dim, base, original_length, beta_fast, beta_slow)
    frequencies = []
    for i in range(dim // 2):
        frequency = base ** (-2 * i / dim)
        ramp = min(1.0, max(0.0, (i - low) / max(high - low, 0.001)))
        frequencies.append(frequency / factor * ramp + frequency * (1 - ramp))
    return torch.tensor(frequencies), 1.0 + 0.1 * math.log(factor)


@variant
def as_hugging_face(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    """Extrapolation and interpolation with an explicit mask of what to keep, in the words of HF's code."""
    powers = base ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim)
    extrapolation, interpolation = 1.0 / powers, 1.0 / (factor * powers)
    keep = 1 - _ramp(dim, *_band(dim, base, original_length, beta_fast, beta_slow))
    return interpolation * (1 - keep) + extrapolation * keep, _attention(factor)


@variant
def in_float64(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    old = torch.exp(torch.arange(dim // 2, dtype=torch.float64) * (-2 * math.log(base) / dim))
    ramp = _ramp(dim, *_band(dim, base, original_length, beta_fast, beta_slow)).double()
    return torch.lerp(old, old / factor, ramp).float(), _attention(factor)
