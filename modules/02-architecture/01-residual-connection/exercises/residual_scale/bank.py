"""Wrong and right ways to write residual_scale."""

import math

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "系数是 1/√L，少了 2：每一层往主干上加两次，注意力一次，前馈一次。",
        "Your factor is 1/√L, without the 2: every layer adds to the stream twice, once for attention, once for the "
        "feed-forward.",
    )
)
@torch.no_grad()
def one_addition_per_layer(weights, num_layers):
    for weight in weights:
        weight.mul_(num_layers**-0.5)


@mistake(
    Text(
        "没有开方：系数是 1/(2L)。方差要缩小到 1/(2L)，所以权重缩小到它的平方根。",
        "The root is missing: your factor is 1/(2L). The variance shall shrink to 1/(2L), so a weight shrinks to the root "
        "of that.",
    )
)
@torch.no_grad()
def root_forgotten(weights, num_layers):
    for weight in weights:
        weight.mul_(1 / (2 * num_layers))


@mistake(
    Text(
        "运算顺序不对：`2 * num_layers ** 0.5` 是 2·√L，因为乘方先算。根号里应当是 2L，要加括号。",
        "The order of operations: `2 * num_layers ** 0.5` is 2·√L, because the power comes first. 2L belongs under the "
        "root: use brackets.",
    )
)
@torch.no_grad()
def two_outside_root(weights, num_layers):
    for weight in weights:
        weight.div_(2 * num_layers**0.5)


@mistake(
    Text(
        "你把权重放大了：要除以 √(2L)，不是乘。",
        "You made the weights larger: divide by √(2L) instead of multiplying.",
    )
)
@torch.no_grad()
def scaled_up(weights, num_layers):
    for weight in weights:
        weight.mul_(math.sqrt(2 * num_layers))


@mistake(
    Text(
        "什么都没变：`weight = weight * 系数` 只是让这个名字指向一个新张量，列表里的那个没有动。用 `mul_`。",
        "Nothing changed: `weight = weight * factor` only gives the name to a new tensor; the one in the list stays. Use "
        "`mul_`.",
    )
)
@torch.no_grad()
def name_rebound(weights, num_layers):
    for weight in weights:
        weight = weight * (2 * num_layers) ** -0.5


@mistake(
    Text(
        "你返回了新的张量，原来的没有变。模型手里拿着的是原来那些：请原地修改。",
        "You return new tensors and leave the old ones. The model holds the old ones: change them in place.",
    )
)
@torch.no_grad()
def new_tensors_returned(weights, num_layers):
    return [weight * (2 * num_layers) ** -0.5 for weight in weights]


@mistake(
    Text(
        "你把列表里的项换成了新张量（`weights[i] = …`），原来的张量没有变；换成元组就会出错。请改张量里的数：`mul_`。",
        "You put new tensors into the list (`weights[i] = …`) and leave the old ones as they were; with a tuple that fails. "
        "Change the "
        "numbers inside the tensors: `mul_`.",
    )
)
@torch.no_grad()
def entries_replaced(weights, num_layers):
    for index in range(len(weights)):
        weights[index] = weights[index] * (2 * num_layers) ** -0.5


@mistake(
    Text(
        "系数用的是列表的长度，而不是 num_layers。列表可能只装了一部分矩阵。",
        "Your factor uses the length of the list instead of num_layers. The list may hold only some of the matrices.",
    )
)
@torch.no_grad()
def length_of_list(weights, num_layers):
    for weight in weights:
        weight.mul_((2 * len(weights)) ** -0.5)


@mistake(
    Text(
        "你让每个矩阵按它的次序缩放（越往后越小）。GPT-2 的系数对所有矩阵都一样，由总层数决定。",
        "You scale every matrix by its place in the list (later ones smaller). GPT-2's factor is the same for all, from the "
        "number of layers.",
    )
)
@torch.no_grad()
def by_depth(weights, num_layers):
    for place, weight in enumerate(weights, start=1):
        weight.mul_((2 * place) ** -0.5)


@mistake(
    Text(
        "你只缩放了第一个矩阵：大概是 return 缩进得太深，循环一次就结束了。",
        "Only the first matrix is scaled: perhaps a return stands inside the loop and ends it after one turn.",
    )
)
@torch.no_grad()
def only_the_first(weights, num_layers):
    for weight in weights:
        weight.mul_((2 * num_layers) ** -0.5)
        return


@mistake(
    Text(
        "你重新抽了随机数，把原来的权重扔掉了。这里是把已有的权重缩小。",
        "You draw new random numbers and throw the old weights away. Here the weights that are there get smaller.",
    )
)
@torch.no_grad()
def drawn_again(weights, num_layers):
    for weight in weights:
        weight.normal_(0.0, 0.02 * (2 * num_layers) ** -0.5)


@mistake(
    Text(
        "内存不连续的矩阵没有变：对它们 `reshape(-1)` 会复制一份，你改的是那份副本。直接对张量本身用 `mul_`。",
        "Matrices that are not contiguous stay as they were: `reshape(-1)` copies them, and you change the copy. Use `mul_` "
        "on the tensor "
        "itself.",
    )
)
@torch.no_grad()
def copy_changed(weights, num_layers):
    for weight in weights:
        weight.reshape(-1).mul_((2 * num_layers) ** -0.5)


@mistake(
    Text(
        "你把每个矩阵的标准差设成了 1/√(2L)。要做的是在原来的大小上乘这个系数。",
        "You set the standard deviation of every matrix to 1/√(2L). The task is to multiply whatever size it has by that "
        "factor.",
    )
)
@torch.no_grad()
def size_set(weights, num_layers):
    for weight in weights:
        weight.mul_((2 * num_layers) ** -0.5 / weight.float().std().item())


@mistake(
    Text(
        "没有写 `with torch.no_grad():`。真正的模型里权重要求梯度，PyTorch 不许直接原地改，会抛出 RuntimeError。",
        "`with torch.no_grad():` is missing. In a real model weights require gradients, and PyTorch refuses to change "
        "those in place: it raises a RuntimeError.",
    )
)
def outside_no_grad(weights, num_layers):
    for weight in weights:
        weight.mul_((2 * num_layers) ** -0.5)


@mistake(
    Text(
        "你关掉了权重的 requires_grad：这些矩阵从此不再训练。用 `with torch.no_grad():`，权重本身不受影响。",
        "You switch the weights' requires_grad off: these matrices never train again. Use `with torch.no_grad():`, which "
        "leaves the weights as they are.",
    )
)
def gradients_switched_off(weights, num_layers):
    for weight in weights:
        weight.requires_grad_(False).mul_((2 * num_layers) ** -0.5)


@variant
@torch.no_grad()
def divided(weights, num_layers):
    for weight in weights:
        weight /= math.sqrt(2 * num_layers)


@variant
def copied_back(weights, num_layers):
    with torch.no_grad():
        for weight in weights:
            weight.copy_(weight.float() * math.sqrt(0.5 / num_layers))


@variant
@torch.no_grad()
def all_at_once(weights, num_layers):
    if weights:
        torch._foreach_mul_(weights, (2 * num_layers) ** -0.5)


@variant
def through_data(weights, num_layers):
    for index in range(len(weights)):
        weights[index].data *= 1 / (2.0 * num_layers) ** 0.5
