"""Wrong and right SwiGLUs, to grade the grader with."""

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "门用反了：`silu` 要用在 `gate` 上，不是 `up` 上。",
        "The two are swapped: `silu` belongs on `gate`, not on `up`.",
    )
)
def gate_and_up_swapped(gate, up):
    return gate * F.silu(up)


@mistake(Text("没有 `silu`：你只是把两个数相乘。", "There is no `silu`: you only multiply the two."))
def no_activation(gate, up):
    return gate * up


@mistake(
    Text(
        "你用了 `sigmoid(gate)`，那是 GLU。`silu(g) = g · sigmoid(g)`，还要乘以 `gate` 本身。",
        "You use `sigmoid(gate)`: that is GLU. `silu(g) = g · sigmoid(g)`; multiply by `gate` itself too.",
    )
)
def sigmoid_only(gate, up):
    return torch.sigmoid(gate) * up


@mistake(Text("你用了 ReLU，这里要用 silu。", "You use ReLU; it should be silu."))
def relu(gate, up):
    return F.relu(gate) * up


@mistake(
    Text(
        "你用了 GELU（那是 GEGLU）。它和 silu 很像，但数值不同。",
        "You use GELU (that is GEGLU). It resembles silu, but its values differ.",
    )
)
def gelu(gate, up):
    return F.gelu(gate) * up


@mistake(
    Text(
        "你先相乘、再做 silu。要先对 `gate` 做 silu，再乘以 `up`。",
        "You multiply first and apply silu afterwards. Apply silu to `gate` first, then multiply by `up`.",
    )
)
def activation_of_the_product(gate, up):
    return F.silu(gate * up)


@mistake(
    Text(
        "`up` 也做了 silu。它是内容，应当原样通过门。",
        "`up` went through silu too. It is the content and passes the gate as it is.",
    )
)
def both_activated(gate, up):
    return F.silu(gate) * F.silu(up)


@mistake(Text("你把两路相加了，应当相乘。", "You add the two; they should be multiplied."))
def added(gate, up):
    return F.silu(gate) + up


@mistake(Text("`up` 没有用到。", "`up` is not used."))
def up_forgotten(gate, up):
    return F.silu(gate)


@mistake(
    Text(
        "`exp(gate) / (1 + exp(gate))` 在 gate 很大时是 `inf / inf`，得到 `nan`。用 `torch.sigmoid`。",
        "`exp(gate) / (1 + exp(gate))` is `inf / inf` for a large gate, which gives `nan`. Use `torch.sigmoid`.",
    )
)
def exp_over_exp(gate, up):
    return gate * gate.exp() / (1 + gate.exp()) * up


@mistake(
    Text(
        "结果是对的，但 gate 是很大的负数时 `exp(-gate)` 溢出成 `inf`，反向传播时 `0 · inf` 得到 `nan` 梯度。用 "
        "`torch.sigmoid`。",
        "The result is right, but for a large negative gate `exp(-gate)` overflows to `inf`, and in the backward pass "
        "`0 · inf` makes the gradient `nan`. Use `torch.sigmoid`.",
    )
)
def exp_of_minus_gate(gate, up):
    return gate / (1 + torch.exp(-gate)) * up


@mistake(
    Text(
        "输入是半精度时你返回了 fp32：最后用 `.to(gate.dtype)` 转回去。",
        "For half-precision input you return fp32: cast back with `.to(gate.dtype)`.",
    )
)
def stays_in_float32(gate, up):
    return F.silu(gate.float()) * up.float()


@mistake(
    Text(
        "你把 `gate` 截断到 [-20, 20] 来避免溢出，但很大的正数应当原样放过去。",
        "You clamp `gate` to [-20, 20] against overflow, but a large positive number should pass as it is.",
    )
)
def clamped(gate, up):
    return F.silu(gate.clamp(-20, 20)) * up


@variant
def by_sigmoid(gate, up):
    return gate * torch.sigmoid(gate) * up


@variant
def by_tanh_in_float32(gate, up):
    g = gate.float()
    return (g * (0.5 + 0.5 * torch.tanh(0.5 * g)) * up.float()).to(gate.dtype)


@variant
def by_logsigmoid(gate, up):
    return up * gate * F.logsigmoid(gate).exp()


@variant
def two_branches(gate, up):
    # exp of a number that is never positive, whatever the sign of the gate
    small = torch.exp(-gate.float().abs())
    sigmoid = torch.where(gate >= 0, 1 / (1 + small), small / (1 + small))
    return (gate.float() * sigmoid * up.float()).to(gate.dtype)
