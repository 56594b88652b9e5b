"""Wrong and right causal masks, to grade the grader with."""

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def right(T, S):
    return torch.ones(T, S, dtype=torch.bool).tril(S - T)


@mistake(
    Text(
        "反了：你的 `True` 表示“遮住”，这里要求 `True` 表示“可以看”。",
        "The wrong way round: your `True` means hidden, here `True` means may attend.",
    )
)
def inverted(num_queries, num_keys):
    return ~right(num_queries, num_keys)


@mistake(
    Text(
        "你让每个位置看自己和后面（上三角）。模型会直接看到要预测的词；应当看自己和前面。",
        "Every position sees itself and what comes later (upper triangle), so the model sees the word that it should "
        "predict. It should see itself and what came before.",
    )
)
def sees_the_future(num_queries, num_keys):
    return torch.ones(num_queries, num_keys, dtype=torch.bool).triu(num_keys - num_queries)


@mistake(
    Text(
        "每个位置也应该能看到自己：你少了对角线，第一个位置就什么也看不到了。",
        "A position may see itself too: you left out the diagonal, so the first position sees nothing.",
    )
)
def not_itself(num_queries, num_keys):
    return torch.ones(num_queries, num_keys, dtype=torch.bool).tril(num_keys - num_queries - 1)


@mistake(
    Text(
        "多看了一个：每个位置都看到了下一个位置，那正是它要预测的词。",
        "One too many: every position sees the next one, which is the very word to predict.",
    )
)
def one_ahead(num_queries, num_keys):
    return torch.ones(num_queries, num_keys, dtype=torch.bool).tril(num_keys - num_queries + 1)


@mistake(
    Text(
        "S > T 时你把查询当成了最前面的 T 个位置。它们是最后 T 个：三角形要靠右下角对齐。",
        "For S > T you treat the queries as the first T positions. They are the last T: align the triangle at the bottom "
        "right.",
    )
)
def queries_first(num_queries, num_keys):
    return torch.ones(num_queries, num_keys, dtype=torch.bool).tril()


@mistake(
    Text(
        "你总是返回 `[S, S]`。每个查询一行，所以形状是 `[T, S]`。",
        "You always return `[S, S]`. There is one row for each query, so the shape is `[T, S]`.",
    )
)
def always_square(num_queries, num_keys):
    return right(num_keys, num_keys)


@mistake(
    Text(
        "行和列反了：每个查询是一行，每个键是一列，形状是 `[T, S]`。",
        "Rows and columns are swapped: a query is a row and a key a column, shape `[T, S]`.",
    )
)
def transposed(num_queries, num_keys):
    return right(num_queries, num_keys).T


@mistake(
    Text(
        "你返回的是 0 和 1 的浮点数。这里要 bool：用 `dtype=torch.bool`，或用比较得到。",
        "You return floating-point zeros and ones. Return bool: use `dtype=torch.bool`, or a comparison.",
    )
)
def zeros_and_ones(num_queries, num_keys):
    return right(num_queries, num_keys).float()


@mistake(
    Text(
        "你返回的是加到分数上的 mask（0 和 `-inf`）。那是另一种约定，这里要 bool，`True` 表示可以看。",
        "You return a mask to add to the scores (0 and `-inf`). That is another convention; here it is bool, True = may "
        "attend.",
    )
)
def additive(num_queries, num_keys):
    return torch.zeros(num_queries, num_keys).masked_fill(~right(num_queries, num_keys), float("-inf"))


@mistake(
    Text(
        "每个查询只看到了自己。前面的位置也要能看。",
        "Every query sees only itself. It may see the positions before it too.",
    )
)
def only_itself(num_queries, num_keys):
    return torch.eye(num_keys, dtype=torch.bool)[num_keys - num_queries :]


@mistake(
    Text(
        "你只让查询看缓存里的旧位置，新的几个位置之间互相看不到。每个查询还要看自己，以及它前面的新位置。",
        "Your queries see only the old positions of the cache, and not each other. A query also sees itself and the new "
        "positions before it.",
    )
)
def only_the_cache(num_queries, num_keys):
    return torch.arange(num_keys).expand(num_queries, -1) < num_keys - num_queries


@variant
def by_tril(num_queries, num_keys):
    return torch.ones(num_queries, num_keys).tril(diagonal=num_keys - num_queries).bool()


@variant
def by_triu(num_queries, num_keys):
    return ~torch.ones(num_queries, num_keys, dtype=torch.bool).triu(num_keys - num_queries + 1)


@variant
def last_rows_of_the_square(num_queries, num_keys):
    return torch.ones(num_keys, num_keys, dtype=torch.bool).tril()[-num_queries:]


@variant
def by_loops(num_queries, num_keys):
    mask = torch.zeros(num_queries, num_keys, dtype=torch.bool)
    for i in range(num_queries):
        mask[i, : num_keys - num_queries + i + 1] = True
    return mask
