"""Wrong and right ways to count parameters."""

from __future__ import annotations

import math

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def pieces(config):
    """Everything that the total is made of, so that a mistake can leave out or change one piece."""
    V, C, L = config["vocab_size"], config["hidden_size"], config["num_hidden_layers"]
    H, G, D = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    return {
        "embedding": V * C,
        "head": 0 if config["tie_word_embeddings"] else V * C,
        "q": L * C * H * D,
        "k": L * C * G * D,
        "v": L * C * G * D,
        "o": L * H * D * C,
        "mlp": L * 3 * C * config["intermediate_size"],
        "norms": L * 2 * C,
        "qk_norm": L * 2 * D if config["qk_norm"] else 0,
        "last_norm": C,
    }


def total(config, **changed):
    return sum((pieces(config) | changed).values())


@mistake(
    Text(
        "共享嵌入时你把同一张表算了两次。`tie_word_embeddings` 为 True 时，输出层没有自己的参数。",
        "You count a shared table twice. With `tie_word_embeddings` True the output layer has no parameters of its own.",
    )
)
def head_always_counted(config):
    return total(config, head=pieces(config)["embedding"])


@mistake(
    Text(
        "输出层没有算。`tie_word_embeddings` 为 False 时，它另有 V × C 个参数。",
        "The output layer is left out. With `tie_word_embeddings` False it has V × C parameters of its own.",
    )
)
def head_never_counted(config):
    return total(config, head=0)


@mistake(
    Text(
        "键和值也按 H 个头算了。分组查询里它们只有 G 个头（num_key_value_heads）。",
        "Keys and values are counted with H heads. With grouped queries they have only G (num_key_value_heads).",
    )
)
def key_heads_as_query_heads(config):
    return total(config, k=pieces(config)["q"], v=pieces(config)["q"])


@mistake(
    Text(
        "注意力的四个矩阵都按 C × C 算了。它们的大小由头数和 head_dim 决定。",
        "All four attention matrices are counted as C × C. Their sizes follow from the heads and head_dim.",
    )
)
def four_square_matrices(config):
    square = config["num_hidden_layers"] * config["hidden_size"] ** 2
    return total(config, q=square, k=square, v=square, o=square)


@mistake(
    Text(
        "head_dim 你用了 C / H。它在配置里单独给出，Qwen3 里两者常常不同。",
        "You take C / H for head_dim. The configuration states it, and in Qwen3 the two often differ.",
    )
)
def head_dim_derived(config):
    return total({**config, "head_dim": config["hidden_size"] // config["num_attention_heads"]})


@mistake(Text("o_proj 忘了算。", "o_proj is left out."))
def o_proj_forgotten(config):
    return total(config, o=0)


@mistake(
    Text(
        "前馈层只算了两个矩阵。SwiGLU 有三个：gate、up、down。",
        "The feed-forward layer is counted with two matrices. SwiGLU has three: gate, up and down.",
    )
)
def two_mlp_matrices(config):
    return total(config, mlp=pieces(config)["mlp"] // 3 * 2)


@mistake(
    Text(
        "前馈层的宽度写死成了 4C。请用 intermediate_size。",
        "The width of the feed-forward layer is fixed at 4C. Use intermediate_size.",
    )
)
def four_times_wide(config):
    return total({**config, "intermediate_size": 4 * config["hidden_size"]})


@mistake(Text("块里的两个归一化忘了算（每个块 2C）。", "The two norms of a block are left out (2C a block)."))
def block_norms_forgotten(config):
    return total(config, norms=0)


@mistake(Text("每个块你只算了一个归一化，其实有两个。", "You count one norm a block; there are two."))
def one_norm_per_block(config):
    return total(config, norms=pieces(config)["norms"] // 2)


@mistake(Text("最后的归一化忘了算（C 个）。", "The norm at the end is left out (C parameters)."))
def last_norm_forgotten(config):
    return total(config, last_norm=0)


@mistake(
    Text(
        "每个归一化你算了 2C 个：那是 LayerNorm（有偏置）。RMSNorm 只有 C 个权重。",
        "You count 2C for every norm: that is LayerNorm with its bias. RMSNorm has C weights.",
    )
)
def norms_with_bias(config):
    return total(config, norms=2 * pieces(config)["norms"], last_norm=2 * config["hidden_size"])


@mistake(
    Text(
        "qk_norm 的权重没有算：为 True 时每个块多 2·D 个。",
        "The weights of qk_norm are left out: when it is True every block has 2·D more.",
    )
)
def qk_norm_forgotten(config):
    return total(config, qk_norm=0)


@mistake(
    Text(
        "qk_norm 你按头数算了。所有查询头共用一个长度为 D 的权重，所有键头共用另一个。",
        "You count qk_norm once for every head. All query heads share one weight of length D, all key heads another.",
    )
)
def qk_norm_per_head(config):
    heads = config["num_attention_heads"] + config["num_key_value_heads"]
    return total(config, qk_norm=pieces(config)["qk_norm"] // 2 * heads)


@mistake(
    Text(
        "你给线性层加上了偏置。这些模型的线性层没有偏置。", "You give the linear layers biases. These models have none."
    )
)
def biases_counted(config):
    H, G, D = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    rows = H * D + 2 * G * D + 2 * config["hidden_size"] + 2 * config["intermediate_size"]
    return total(config) + config["num_hidden_layers"] * rows


@mistake(Text("块里的参数没有乘 L。", "The parameters of a block are not multiplied by L."))
def one_block_only(config):
    return total({**config, "num_hidden_layers": 1})


@variant
def piece_by_piece(config):
    return total(config)


@variant
def by_shapes(config):
    C, D, inner = config["hidden_size"], config["head_dim"], config["intermediate_size"]
    queries, keys = config["num_attention_heads"] * D, config["num_key_value_heads"] * D
    shapes = [(config["vocab_size"], C), (C,)] + [(config["vocab_size"], C)] * (not config["tie_word_embeddings"])
    for _ in range(config["num_hidden_layers"]):
        shapes += [(queries, C), (keys, C), (keys, C), (C, queries), (inner, C), (inner, C), (C, inner), (C,), (C,)]
        shapes += [(D,), (D,)] if config["qk_norm"] else []
    return sum(math.prod(shape) for shape in shapes)


@variant
def factored(config):
    C, D = config["hidden_size"], config["head_dim"]
    heads = config["num_attention_heads"] + config["num_key_value_heads"]
    per_block = C * (2 * heads * D + 3 * config["intermediate_size"] + 2) + 2 * D * int(config["qk_norm"])
    return (
        C * (config["vocab_size"] * (2 - config["tie_word_embeddings"]) + 1) + per_block * config["num_hidden_layers"]
    )
