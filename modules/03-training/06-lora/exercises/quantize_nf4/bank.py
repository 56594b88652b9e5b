"""Wrong and right ways to quantise in blocks."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def nearest(unit, codebook):
    return (unit[..., None] - codebook).abs().argmin(-1).to(torch.uint8)


def scaled(blocks, absmax):
    return blocks / absmax.clamp(min=1e-30)[:, None]


def largest(w, block):
    blocks = w.float().reshape(-1, block)
    return blocks, blocks.abs().amax(1)


@mistake(
    Text(
        "所有块共用了一个最大值：一个大数就毁掉整个权重的精度。",
        "All blocks share one maximum: one large number spoils the whole weight.",
    )
)
def one_scale(w, codebook, block):
    blocks, absmax = largest(w, block)
    absmax = absmax.max().expand(len(absmax)).clone()
    return nearest(scaled(blocks, absmax), codebook), absmax


@mistake(
    Text(
        "取的是最大值，不是绝对值的最大：负数会越过 -1。",
        "The maximum is taken and not that of the absolute values: negative numbers pass -1.",
    )
)
def maximum(w, codebook, block):
    blocks = w.float().reshape(-1, block)
    absmax = blocks.amax(1)
    return nearest(blocks / absmax.where(absmax != 0, torch.ones(()))[:, None], codebook), absmax


@mistake(
    Text("取的是绝对值的平均：大数会越过 ±1。", "The mean of the absolute values is taken: large numbers pass ±1.")
)
def mean_absolute(w, codebook, block):
    blocks = w.float().reshape(-1, block)
    absmax = blocks.abs().mean(1)
    return nearest(scaled(blocks, absmax), codebook), absmax


@mistake(
    Text(
        "每行一块：块是按展平后的顺序每 block 个数一块。",
        "A block is a row: blocks are every `block` numbers of the flattened weight.",
    )
)
def rows_as_blocks(w, codebook, block):
    rows = w.float().reshape(w.shape[0], -1)
    absmax = rows.abs().amax(1)
    return nearest(scaled(rows, absmax), codebook), absmax


@mistake(Text("没有除以 absmax 就去找最近的值。", "The nearest value is sought without dividing by absmax."))
def not_scaled(w, codebook, block):
    blocks, absmax = largest(w, block)
    return nearest(blocks, codebook), absmax


@mistake(Text("取的是不大于它的值（向下取），不是最近的。", "The next lower value is taken, not the nearest."))
def rounded_down(w, codebook, block):
    blocks, absmax = largest(w, block)
    codes = torch.searchsorted(codebook, scaled(blocks, absmax), right=True) - 1
    return codes.clamp(min=0).to(torch.uint8), absmax


@mistake(
    Text("全是 0 的块除以了 0：结果是 nan，编号就不对了。", "A block of zeros is divided by 0: nan, and a wrong code.")
)
def zero_over_zero(w, codebook, block):
    blocks, absmax = largest(w, block)
    return nearest(blocks / absmax[:, None], codebook), absmax


@mistake(
    Text(
        "编号是 int64：一个编号只要四位，请用 uint8。", "The codes are int64: four bits are enough for one, use uint8."
    )
)
def codes_int64(w, codebook, block):
    blocks, absmax = largest(w, block)
    return nearest(scaled(blocks, absmax), codebook).long(), absmax


@mistake(Text("absmax 留在了 bfloat16：要 float32。", "absmax is left in bfloat16: it must be float32."))
def absmax_in_half(w, codebook, block):
    blocks, absmax = largest(w, block)
    return nearest(scaled(blocks, absmax), codebook), absmax.to(w.dtype)


@mistake(Text("返回的是还原后的值：应当返回编号。", "The values are returned instead of their codes."))
def values_returned(w, codebook, block):
    blocks, absmax = largest(w, block)
    return codebook[nearest(scaled(blocks, absmax), codebook).long()], absmax


@mistake(Text("编号的形状不对：要 [块数, block]。", "The codes have the wrong shape: [blocks, block]."))
def flat_codes(w, codebook, block):
    blocks, absmax = largest(w, block)
    return nearest(scaled(blocks, absmax), codebook).flatten(), absmax


@variant
def by_middles(w, codebook, block):
    blocks, absmax = largest(w, block)
    middles = (codebook[1:] + codebook[:-1]) / 2
    return torch.bucketize(scaled(blocks, absmax), middles).to(torch.uint8), absmax


@variant
def block_by_block(w, codebook, block):
    codes, absmax = [], []
    for part in w.float().flatten().split(block):
        size = part.abs().max()
        unit = part / size if size > 0 else part
        codes.append((unit[:, None] - codebook[None]).abs().argmin(1))
        absmax.append(size)
    return torch.stack(codes).to(torch.uint8), torch.stack(absmax)


@variant
def in_float64(w, codebook, block):
    blocks, absmax = largest(w.double(), block)
    unit = blocks.double() / absmax.double().where(absmax > 0, torch.ones((), dtype=torch.float64))[:, None]
    return nearest(unit, codebook.double()), absmax.float()
