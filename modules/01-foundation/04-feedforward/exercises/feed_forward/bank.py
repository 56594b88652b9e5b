"""Wrong and right feed-forward layers, to grade the grader with."""

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "没有 silu：没有非线性，门就只是一个普通的乘数。",
        "There is no silu: without it the gate is just another factor.",
    )
)
def no_activation(x, w_gate, w_up, w_down):
    return ((x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@mistake(
    Text(
        "门和内容弄反了：silu 用在 `x w_gateᵀ` 上。",
        "Gate and content are swapped: silu belongs on `x w_gateᵀ`.",
    )
)
def gate_and_up_swapped(x, w_gate, w_up, w_down):
    return (F.silu(x @ w_up.T) * (x @ w_gate.T)) @ w_down.T


@mistake(Text("你用了 ReLU，这里要用 silu。", "You use ReLU; it should be silu."))
def relu(x, w_gate, w_up, w_down):
    return (F.relu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@mistake(
    Text(
        "你用了 GELU。它和 silu 很像，但数值不同。",
        "You use GELU. It resembles silu, but its values differ.",
    )
)
def gelu(x, w_gate, w_up, w_down):
    return (F.gelu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@mistake(
    Text(
        "你用了 `sigmoid(gate)`。`silu(g) = g · sigmoid(g)`，还要乘以门本身。",
        "You use `sigmoid(gate)`. `silu(g) = g · sigmoid(g)`; multiply by the gate itself too.",
    )
)
def sigmoid_only(x, w_gate, w_up, w_down):
    return (torch.sigmoid(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@mistake(Text("门和内容要相乘，你把它们相加了。", "Gate and content should be multiplied; you add them."))
def added(x, w_gate, w_up, w_down):
    return (F.silu(x @ w_gate.T) + x @ w_up.T) @ w_down.T


@mistake(
    Text(
        "`w_up` 没有用到：那是没有门的前馈层。",
        "`w_up` is not used: that is a feed-forward layer without a gate.",
    )
)
def without_up(x, w_gate, w_up, w_down):
    return F.silu(x @ w_gate.T) @ w_down.T


@mistake(
    Text(
        "权重没有转置：它们存成 `[输出, 输入]`，所以是 `x @ w.T`。C = F 时不会报错，但结果不对。",
        "The weights are not transposed: they are stored `[out, in]`, so it is `x @ w.T`. With C = F there is no error, but "
        "a wrong result.",
    )
)
def weights_not_transposed(x, w_gate, w_up, w_down):
    return (F.silu(x @ w_gate) * (x @ w_up)) @ w_down


@mistake(
    Text(
        "你加上了 `x`（残差连接）。那是外面的 Transformer 块做的，这里不加。",
        "You add `x` (the residual connection). The Transformer block around it does that, not this function.",
    )
)
def residual_added(x, w_gate, w_up, w_down):
    return x + (F.silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@mistake(
    Text(
        "你先相乘再做 silu。要先对门做 silu，再乘以内容。",
        "You multiply first and apply silu afterwards. Apply silu to the gate first, then multiply by the content.",
    )
)
def activation_of_the_product(x, w_gate, w_up, w_down):
    return F.silu((x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@mistake(
    Text(
        "内容也做了 silu。只有门要做。",
        "The content went through silu too; only the gate should.",
    )
)
def both_activated(x, w_gate, w_up, w_down):
    return (F.silu(x @ w_gate.T) * F.silu(x @ w_up.T)) @ w_down.T


@mistake(
    Text(
        "最后的输出又做了一次 silu。乘以 `w_downᵀ` 之后就结束了。",
        "The output went through silu once more. It is finished after `w_downᵀ`.",
    )
)
def output_activated(x, w_gate, w_up, w_down):
    return F.silu((F.silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T)


@mistake(
    Text(
        "结果是对的，但门是很大的负数时 `exp(-gate)` 溢出成 `inf`，梯度成了 `nan`。用 `torch.sigmoid`。",
        "The result is right, but for a large negative gate `exp(-gate)` overflows to `inf`, and the gradient becomes "
        "`nan`. Use `torch.sigmoid`.",
    )
)
def exp_of_minus_gate(x, w_gate, w_up, w_down):
    gate = x @ w_gate.T
    return (gate / (1 + torch.exp(-gate)) * (x @ w_up.T)) @ w_down.T


@variant
def by_linear_and_sigmoid(x, w_gate, w_up, w_down):
    gate = F.linear(x, w_gate)
    return F.linear(gate * torch.sigmoid(gate) * F.linear(x, w_up), w_down)


@variant
def one_product_for_both(x, w_gate, w_up, w_down):
    gate, up = (x @ torch.cat([w_gate, w_up]).T).chunk(2, dim=-1)
    return (F.silu(gate) * up) @ w_down.T


@variant
def unit_by_unit(x, w_gate, w_up, w_down):
    out = torch.zeros_like(x)
    for gate, up, down in zip(w_gate, w_up, w_down.T):
        out = out + (F.silu(x @ gate) * (x @ up)).unsqueeze(-1) * down
    return out


@variant
def word_by_word(x, w_gate, w_up, w_down):
    words = x.reshape(-1, x.shape[-1])
    done = [w_down @ (F.silu(w_gate @ word) * (w_up @ word)) for word in words]
    return torch.stack(done).reshape(x.shape)
