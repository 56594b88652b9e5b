"""Wrong and right ways to write tied_logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "你乘的是 `embedding` 本身，没有转置。词元的向量是它的行，要与行做点积：乘 `embedding.T`。",
        "You multiply by `embedding` itself. A token's vector is a row of it, and the dot product is with the rows: multiply by "
        "`embedding.T`.",
    )
)
def not_transposed(hidden, embedding):
    return hidden.float() @ embedding.float()


@mistake(
    Text(
        "你用 reshape 或 view 把 `[V, D]` 变成了 `[D, V]`：形状对了，数却排乱了。转置要用 `.T`。",
        "You turn `[V, D]` into `[D, V]` with reshape or view: the shape fits, but the numbers are in the wrong places. A "
        "transpose "
        "is `.T`.",
    )
)
def reshaped(hidden, embedding):
    return hidden.float() @ embedding.float().reshape(embedding.shape[1], embedding.shape[0])


@mistake(
    Text(
        "梯度到不了 `embedding`（你用了 detach，或者重新包了一个 Parameter）：共享的表要从入口和出口两处一起学。",
        "No gradient reaches `embedding` (detach, or a new Parameter around it): a shared table learns from both its uses.",
    )
)
def table_detached(hidden, embedding):
    return hidden.float() @ embedding.detach().float().T


@mistake(
    Text(
        "梯度到不了 `hidden`：前面的所有层都学不到东西了。",
        "No gradient reaches `hidden`: none of the layers before it can learn.",
    )
)
def hidden_detached(hidden, embedding):
    return hidden.detach().float() @ embedding.float().T


@mistake(
    Text(
        "你把分数除以了 √D。那是注意力的做法，这里不缩放。",
        "You divide the scores by √D. Attention does that; here nothing is scaled.",
    )
)
def divided_by_root(hidden, embedding):
    return hidden.float() @ embedding.float().T / hidden.shape[-1] ** 0.5


@mistake(
    Text(
        "你把分数乘上了 √D。有些模型在入口这样放大嵌入，出口不需要。",
        "You multiply the scores by √D. Some models scale embeddings so on the way in; the way out needs none of it.",
    )
)
def multiplied_by_root(hidden, embedding):
    return hidden.float() @ embedding.float().T * hidden.shape[-1] ** 0.5


@mistake(
    Text(
        "你先把向量除以了各自的长度，算成了余弦相似度。这里要的是原样的点积。",
        "You divide the vectors by their lengths first, which gives the cosine similarity. The plain dot product is wanted.",
    )
)
def cosine(hidden, embedding):
    return F.normalize(hidden.float(), dim=-1) @ F.normalize(embedding.float(), dim=-1).T


@mistake(
    Text(
        "你已经做了 softmax。这里要的是分数（logits），softmax 归损失函数和采样管。",
        "You apply softmax already. Logits are wanted here; the softmax belongs to the loss and to sampling.",
    )
)
def softmax_applied(hidden, embedding):
    return (hidden.float() @ embedding.float().T).softmax(-1)


@mistake(
    Text(
        "你已经做了 log_softmax。这里要的是没有归一化的分数（logits）。",
        "You apply log_softmax already. The logits are wanted as they are, not normalised.",
    )
)
def log_softmax_applied(hidden, embedding):
    return (hidden.float() @ embedding.float().T).log_softmax(-1)


@mistake(
    Text(
        "你只算了最后一个位置。训练时每个位置都要预测下一个词元，所以每个位置都要有分数。",
        "You compute the last position only. In training every position predicts its next token, so each one needs scores.",
    )
)
def last_position_only(hidden, embedding):
    return hidden[..., -1:, :].float() @ embedding.float().T if hidden.dim() > 1 else right(hidden, embedding)


@mistake(
    Text(
        "乘法是在半精度里做的，转成 float32 已经晚了：溢出和舍入都发生在乘的时候。先转，再乘。",
        "The product is taken in half precision and converted afterwards, too late: overflow and rounding happen in the product. "
        "Convert first, then multiply.",
    )
)
def converted_too_late(hidden, embedding):
    return (hidden @ embedding.to(hidden.dtype).T).float()


@mistake(
    Text(
        "结果的 dtype 跟着 `hidden` 走了：logits 应当总是 float32。",
        "The result has the dtype of `hidden`: logits are always float32.",
    )
)
def dtype_of_hidden(hidden, embedding):
    return right(hidden, embedding).to(hidden.dtype)


def right(hidden, embedding):
    return hidden.float() @ embedding.float().T


@variant
def by_linear(hidden, embedding):
    return F.linear(hidden.float(), embedding.float())


@variant
def by_einsum(hidden, embedding):
    return torch.einsum("vd,...d->...v", embedding.float(), hidden.float())


@variant
def token_by_token(hidden, embedding):
    return torch.stack([(hidden.float() * row).sum(-1) for row in embedding.float()], dim=-1)


@variant
def in_double(hidden, embedding):
    return torch.matmul(hidden.double(), embedding.double().transpose(0, 1)).float()
