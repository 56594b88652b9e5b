"""Wrong and right ways to quantise the scales again."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def centred(scales, block):
    offset = scales.float().mean()
    blocks = (scales.float() - offset).reshape(-1, block)
    return blocks, blocks.abs().amax(1), offset


def coded(blocks, absmax):
    return torch.round(blocks / absmax.clamp(min=1e-30)[:, None] * 127).to(torch.int8)


@mistake(
    Text(
        "没有减去平均：系数都是正的，负的编号全浪费了。",
        "The mean is not taken off: scales are positive, and the negative codes are wasted.",
    )
)
def no_mean(scales, block):
    blocks = scales.float().reshape(-1, block)
    absmax = blocks.abs().amax(1)
    return coded(blocks, absmax), absmax, 0.0


@mistake(Text("平均是每块各自的：要全部系数的一个平均。", "The mean is of each block: there is one, of all scales."))
def mean_of_blocks(scales, block):
    blocks = scales.float().reshape(-1, block)
    blocks = blocks - blocks.mean(1, keepdim=True)
    absmax = blocks.abs().amax(1)
    return coded(blocks, absmax), absmax, scales.float().mean().item()


@mistake(Text("减去了平均，却没有返回它：还原不了。", "The mean is taken off and not returned: nobody can undo it."))
def mean_forgotten(scales, block):
    blocks, absmax, _ = centred(scales, block)
    return coded(blocks, absmax), absmax, 0.0


@mistake(
    Text(
        "absmax 在减去平均之前就取了。",
        "absmax was taken before the mean was taken off.",
    )
)
def absmax_before(scales, block):
    blocks, _, offset = centred(scales, block)
    absmax = scales.float().reshape(-1, block).abs().amax(1)
    return coded(blocks, absmax), absmax, offset.item()


@mistake(
    Text(
        "取的是最大值，不是绝对值的最大：小于平均的会越过 −127。",
        "The maximum and not that of absolute values: what is below the mean passes −127.",
    )
)
def maximum(scales, block):
    blocks, _, offset = centred(scales, block)
    absmax = blocks.amax(1)
    return (
        torch.round(blocks / absmax.where(absmax != 0, torch.ones(()))[:, None] * 127).to(torch.int8),
        absmax,
        offset.item(),
    )


@mistake(Text("所有块共用一个 absmax。", "All blocks share one absmax."))
def one_absmax(scales, block):
    blocks, absmax, offset = centred(scales, block)
    absmax = absmax.max().expand(len(absmax)).clone()
    return coded(blocks, absmax), absmax, offset.item()


@mistake(
    Text(
        "直接变成 int8 是向 0 截断，不是四舍五入。",
        "Turning it into int8 cuts towards 0; round it first.",
    )
)
def cut_off(scales, block):
    blocks, absmax, offset = centred(scales, block)
    return (blocks / absmax.clamp(min=1e-30)[:, None] * 127).to(torch.int8), absmax, offset.item()


@mistake(Text("乘了 128：+128 放不进 int8，会变成 −128。", "Times 128: +128 does not fit int8 and becomes −128."))
def times_128(scales, block):
    blocks, absmax, offset = centred(scales, block)
    return torch.round(blocks / absmax.clamp(min=1e-30)[:, None] * 128).to(torch.int8), absmax, offset.item()


@mistake(
    Text(
        "编号存成了 uint8：负的会绕到上面去。",
        "The codes are uint8: negative ones wrap around.",
    )
)
def unsigned(scales, block):
    blocks, absmax, offset = centred(scales, block)
    return coded(blocks, absmax).to(torch.uint8), absmax, offset.item()


@mistake(Text("absmax 是 0 的块除出了 nan。", "A block whose absmax is 0 gives nan."))
def zero_over_zero(scales, block):
    blocks, absmax, offset = centred(scales, block)
    return torch.round(blocks / absmax[:, None] * 127).nan_to_num(127).to(torch.int8), absmax, offset.item()


@mistake(Text("平均是一个张量：要 float。", "The mean is a tensor: a float is asked for."))
def mean_as_tensor(scales, block):
    blocks, absmax, offset = centred(scales, block)
    return coded(blocks, absmax), absmax, offset


@mistake(Text("编号没有分块：要 [块数, block]。", "The codes are not in blocks: [blocks, block]."))
def flat(scales, block):
    blocks, absmax, offset = centred(scales, block)
    return coded(blocks, absmax).flatten(), absmax, offset.item()


@mistake(Text("absmax 留在了输入的精度里：要 float32。", "absmax is left in the dtype of the input: float32."))
def absmax_in_half(scales, block):
    blocks, absmax, offset = centred(scales, block)
    return coded(blocks, absmax), absmax.to(scales.dtype), offset.item()


@variant
def block_by_block(scales, block):
    offset = scales.float().mean()
    codes, absmax = [], []
    for part in (scales.float() - offset).split(block):
        size = part.abs().max()
        absmax.append(size)
        codes.append((part / size * 127).round() if size > 0 else torch.zeros_like(part))
    return torch.stack(codes).to(torch.int8), torch.stack(absmax), float(offset)


@variant
def by_buckets(scales, block):
    blocks, absmax, offset = centred(scales, block)
    middles = (torch.arange(-127, 127) + 0.5) / 127
    codes = torch.bucketize(blocks / absmax.clamp(min=1e-30)[:, None], middles) - 127
    return codes.to(torch.int8), absmax, offset.item()


@variant
def in_float64(scales, block):
    numbers = scales.double()
    offset = numbers.mean()
    blocks = (numbers - offset).view(-1, block)
    absmax = blocks.abs().max(dim=1).values
    units = torch.where(absmax[:, None] > 0, blocks / absmax[:, None], torch.zeros_like(blocks))
    return torch.round(127 * units).to(torch.int8), absmax.float(), offset.item()
