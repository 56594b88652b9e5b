"""Wrong and right ways to write gradient_norms."""

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def _own(layers):
    return [layer.detach().clone().requires_grad_() for layer in layers]


def _forward(weights, x):
    h = x
    for weight in weights:
        h = torch.relu(h @ weight.T) + h
    return h


def _gradients(layers, x, target):
    weights = _own(layers)
    return torch.autograd.grad(F.mse_loss(_forward(weights, x), target), weights)


def _norms(tensors):
    return torch.stack([tensor.norm() for tensor in tensors])


@mistake(
    Text(
        "数值对，但你在传进来的权重上留下了 .grad：请对自己的副本求导。",
        "The numbers are right, but you leave .grad on the weights you were given: differentiate by copies of your own.",
    )
)
def grad_left_behind(layers, x, target):
    for layer in layers:
        layer.requires_grad_()
    F.mse_loss(_forward(layers, x), target).backward()
    return torch.stack([layer.grad.norm() for layer in layers])


@mistake(
    Text(
        "没有残差：你的层是 relu(h Wᵀ)，少了后面的 + h。",
        "There is no residual: your layer is relu(h Wᵀ), without the + h behind it.",
    )
)
def residual_forgotten(layers, x, target):
    weights, h = _own(layers), x
    for weight in weights:
        h = torch.relu(h @ weight.T)
    return _norms(torch.autograd.grad(F.mse_loss(h, target), weights))


@mistake(
    Text(
        "ReLU 的位置不对：先对 h Wᵀ 做 ReLU，再加 h。你把 ReLU 放在了加法之后，主干上的负数就丢了。",
        "ReLU stands in the wrong place: take it of h Wᵀ, then add h. Behind the addition it cuts the negative numbers off "
        "the stream.",
    )
)
def relu_after_addition(layers, x, target):
    weights, h = _own(layers), x
    for weight in weights:
        h = torch.relu(h @ weight.T + h)
    return _norms(torch.autograd.grad(F.mse_loss(h, target), weights))


@mistake(
    Text(
        "权重没有转置：公式是 h @ W.T（和 nn.Linear 一样），你写的是 h @ W。",
        "The weight is not transposed: the formula is h @ W.T (as in nn.Linear), you wrote h @ W.",
    )
)
def not_transposed(layers, x, target):
    weights, h = _own(layers), x
    for weight in weights:
        h = torch.relu(h @ weight) + h
    return _norms(torch.autograd.grad(F.mse_loss(h, target), weights))


@mistake(
    Text(
        "跳过去的那条路上没有梯度：你对加上的 h 用了 detach。残差连接正是靠这条路把梯度送到前面的层。",
        "No gradient flows along the skip: you detach the h that is added. That path is what carries gradients to the early "
        "layers.",
    )
)
def skip_detached(layers, x, target):
    weights, h = _own(layers), x
    for weight in weights:
        h = torch.relu(h @ weight.T) + h.detach()
    return _norms(torch.autograd.grad(F.mse_loss(h, target), weights))


@mistake(
    Text(
        "损失是总和，不是平均：要除以全部元素的个数 N·D。",
        "Your loss is a sum, not a mean: divide by the number of all entries, N·D.",
    )
)
def loss_summed(layers, x, target):
    weights = _own(layers)
    loss = (_forward(weights, x) - target).square().sum()
    return _norms(torch.autograd.grad(loss, weights))


@mistake(
    Text(
        "损失只对行数 N 求了平均。要对全部 N·D 个数求平均。",
        "Your loss is averaged over the N rows only. Average over all N·D numbers.",
    )
)
def loss_per_row(layers, x, target):
    weights = _own(layers)
    loss = (_forward(weights, x) - target).square().sum(-1).mean()
    return _norms(torch.autograd.grad(loss, weights))


@mistake(
    Text(
        "你在损失上多开了一次方（RMSE）。均方误差不开方。",
        "You took the root of the loss (RMSE). The mean squared error has no root.",
    )
)
def root_of_loss(layers, x, target):
    weights = _own(layers)
    return _norms(torch.autograd.grad(F.mse_loss(_forward(weights, x), target).sqrt(), weights))


@mistake(
    Text(
        "你返回的是范数的平方：最后还要开方。",
        "You return the square of the norm: the root is missing.",
    )
)
def squared_norms(layers, x, target):
    return torch.stack([gradient.square().sum() for gradient in _gradients(layers, x, target)])


@mistake(
    Text(
        "你取的是谱范数（最大奇异值）。`torch.linalg.norm(g, 2)` 对矩阵就是它。这里要的是全部元素平方和的平方根：`g.norm()`。",
        "You take the spectral norm (largest singular value): that is `torch.linalg.norm(g, 2)` of a matrix. Here it is the "
        "root of the "
        "sum of all squares: `g.norm()`.",
    )
)
def spectral_norm(layers, x, target):
    return torch.stack([torch.linalg.norm(gradient, 2) for gradient in _gradients(layers, x, target)])


@mistake(
    Text(
        "你返回的是梯度绝对值的平均，不是范数：应是平方和的平方根。",
        "You return the mean absolute gradient, not its norm: the root of the sum of squares.",
    )
)
def mean_absolute(layers, x, target):
    return torch.stack([gradient.abs().mean() for gradient in _gradients(layers, x, target)])


@mistake(
    Text(
        "顺序反了：结果的第一个数属于第一层，你是从最后一层排起的。",
        "The order is reversed: the first number belongs to the first layer, yours begin with the last.",
    )
)
def last_layer_first(layers, x, target):
    return _norms(_gradients(layers, x, target)).flip(0)


@mistake(
    Text(
        "你量的是各层输出 h 的梯度，不是权重 W 的梯度。",
        "You measure the gradients of the layers' outputs h, not those of the weights W.",
    )
)
def gradients_of_outputs(layers, x, target):
    h, outputs = x.detach().requires_grad_(), []
    for layer in layers:
        h = torch.relu(h @ layer.T) + h
        outputs.append(h)
    return _norms(torch.autograd.grad(F.mse_loss(h, target), outputs))


@mistake(
    Text(
        "梯度累加了：你对每一层都调用一次 backward，`.grad` 里一次次叠加，后面的层就成了几倍。一次求导就够。",
        "Gradients pile up: you call backward once for every layer and `.grad` adds up each time, so later layers come out "
        "several "
        "times too large. One call is enough.",
    )
)
def gradients_piled_up(layers, x, target):
    weights = _own(layers)
    loss = F.mse_loss(_forward(weights, x), target)
    norms = []
    for weight in weights:
        loss.backward(retain_graph=True)
        norms.append(weight.grad.norm())
    return torch.stack(norms)


@mistake(
    Text(
        "你返回的是一个总范数（梯度裁剪用的那种）。这里每层一个数，形状是 [L]。",
        "You return one total norm, the one for gradient clipping. Here every layer has its own number: shape [L].",
    )
)
def one_total(layers, x, target):
    return _norms(_gradients(layers, x, target)).norm()


@variant
def with_backward(layers, x, target):
    weights = _own(layers)
    F.mse_loss(_forward(weights, x), target).backward()
    return torch.tensor([weight.grad.norm().item() for weight in weights])


@variant
def backward_by_hand(layers, x, target):
    inputs, gates, h = [], [], x.detach()
    for layer in layers:
        inputs.append(h)
        gates.append(h @ layer.T > 0)
        h = F.relu(h @ layer.T) + h
    upstream, norms = 2 * (h - target) / h.numel(), []
    for layer, given, gate in reversed(list(zip(layers, inputs, gates))):
        through = torch.where(gate, upstream, torch.zeros_like(upstream))
        norms.insert(0, torch.linalg.matrix_norm(through.T @ given))
        upstream = upstream + through @ layer
    return torch.stack(norms).detach()


@variant
def with_torch_func(layers, x, target):
    def loss(weights):
        return F.mse_loss(_forward(weights, x), target)

    gradients = torch.func.grad(loss)(tuple(layers))
    return torch.stack([gradient.square().sum().sqrt() for gradient in gradients])


@variant
def in_float64(layers, x, target):
    weights = [layer.detach().double().requires_grad_() for layer in layers]
    loss = (_forward(weights, x.double()) - target.double()).pow(2).mean()
    return torch.stack([torch.sqrt((g * g).sum()) for g in torch.autograd.grad(loss, weights)]).float()
