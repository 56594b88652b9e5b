"""Wrong and right ways to count FLOPs."""

from __future__ import annotations

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def pieces(config, T):
    """Multiply-adds of the whole pass, piece by piece, so that a mistake can change one piece."""
    V, C, L = config["vocab_size"], config["hidden_size"], config["num_hidden_layers"]
    H, G, D = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    return {
        "q": L * T * C * H * D,
        "k": L * T * C * G * D,
        "v": L * T * C * G * D,
        "o": L * T * H * D * C,
        "mlp": L * T * 3 * C * config["intermediate_size"],
        "scores": L * H * T * T * D,
        "values": L * H * T * T * D,
        "head": T * C * V,
    }


def total(config, T, **changed):
    return 2 * sum((pieces(config, T) | changed).values())


@mistake(
    Text(
        "你数的是乘加的次数。一次乘加算两个 FLOP：结果还要乘 2。",
        "You count multiply-adds. Each is two FLOPs: multiply the result by 2.",
    )
)
def multiply_adds(config, length):
    return total(config, length) // 2


@mistake(
    Text(
        "你数了三遍的量：前向之外还算上了反向。这里只数前向。",
        "You count three times as much: the backward pass is in it. Only the forward pass is wanted.",
    )
)
def training_counted(config, length):
    return 3 * total(config, length)


@mistake(
    Text(
        "注意力里的两个乘法（q·kᵀ 和权重乘值）都没有数。",
        "The two products inside attention (q·kᵀ, and weights times values) are left out.",
    )
)
def attention_forgotten(config, length):
    return total(config, length, scores=0, values=0)


@mistake(
    Text(
        "分数 q·kᵀ 数了，权重乘值没有数。",
        "The scores q·kᵀ are counted, the product of weights and values is not.",
    )
)
def values_forgotten(config, length):
    return total(config, length, values=0)


@mistake(
    Text(
        "你按因果遮挡只数了一半的 T × T。这里约定整个 T × T 都数。",
        "You count half of the T × T because of the causal mask. Here the whole T × T counts, as agreed.",
    )
)
def half_for_causal(config, length):
    T, counted = length, pieces(config, length)
    seen = {name: counted[name] // (T * T) * (T * (T + 1) // 2) for name in ("scores", "values")}
    return total(config, length, **seen)


@mistake(
    Text(
        "注意力按 G 个键值头数了。分组查询省的是键和值，每个查询头仍要和每个位置打分，所以乘 H。",
        "Attention is counted with G key-value heads. Grouping saves keys and values; every query head still scores every "
        "position, "
        "so the factor is H.",
    )
)
def attention_by_key_heads(config, length):
    counted = pieces(config, length)
    share = config["num_attention_heads"] // config["num_key_value_heads"]
    return total(config, length, scores=counted["scores"] // share, values=counted["values"] // share)


@mistake(
    Text(
        "k_proj 和 v_proj 按 H 个头数了。它们只有 G 个头。",
        "k_proj and v_proj are counted with H heads. They have only G.",
    )
)
def key_heads_as_query_heads(config, length):
    counted = pieces(config, length)
    return total(config, length, k=counted["q"], v=counted["q"])


@mistake(
    Text(
        "注意力的计算量你按 T 而不是 T² 数了：每个位置都要和 T 个位置打分。",
        "Attention grows with T in your count; it grows with T²: every position scores T positions.",
    )
)
def attention_linear_in_length(config, length):
    counted = pieces(config, length)
    return total(config, length, scores=counted["scores"] // length, values=counted["values"] // length)


@mistake(
    Text(
        "注意力的大小你用了 C，应当用 H·D：两者不一定相等。",
        "Attention is counted with C; it is H·D numbers wide, which need not be C.",
    )
)
def attention_as_wide_as_hidden(config, length):
    width = config["num_hidden_layers"] * length * length * config["hidden_size"]
    return total(config, length, scores=width, values=width)


@mistake(Text("输出层没有数。", "The output layer is left out."))
def head_forgotten(config, length):
    return total(config, length, head=0)


@mistake(
    Text(
        "共享嵌入时你没有数输出层。共享省的是内存，乘法照样要做。",
        "The output layer is left out when it is tied. Sharing saves memory; the product is done all the same.",
    )
)
def tied_head_for_free(config, length):
    return total(config, length, **({"head": 0} if config["tie_word_embeddings"] else {}))


@mistake(
    Text(
        "输出层只数了最后一个位置。前向计算给每个位置都打分。",
        "The output layer is counted at the last position only. The forward pass gives scores at every position.",
    )
)
def head_at_the_end_only(config, length):
    return total(config, length, head=pieces(config, length)["head"] // length)


@mistake(
    Text(
        "你把查嵌入表也当成了矩阵乘法。查表只是取出一行，不做乘法。",
        "You count the embedding look-up as a matrix product. A look-up takes out a row and multiplies nothing.",
    )
)
def look_up_counted(config, length):
    return total(config, length) + 2 * pieces(config, length)["head"]


@mistake(
    Text(
        "前馈层只数了两个矩阵。SwiGLU 有三个：gate、up、down。",
        "The feed-forward layer is counted with two matrices. SwiGLU has three: gate, up and down.",
    )
)
def two_mlp_matrices(config, length):
    return total(config, length, mlp=pieces(config, length)["mlp"] // 3 * 2)


@mistake(Text("o_proj 忘了数。", "o_proj is left out."))
def o_proj_forgotten(config, length):
    return total(config, length, o=0)


@mistake(
    Text(
        "head_dim 你用了 C / H。请用配置里的 head_dim。",
        "You take C / H for head_dim. Use the head_dim of the configuration.",
    )
)
def head_dim_derived(config, length):
    return total({**config, "head_dim": config["hidden_size"] // config["num_attention_heads"]}, length)


@mistake(Text("块里的计算没有乘 L。", "The work of a block is not multiplied by L."))
def one_block_only(config, length):
    return total({**config, "num_hidden_layers": 1}, length)


@variant
def piece_by_piece(config, length):
    return total(config, length)


@variant
def by_products(config, length):
    """Every product as (m, k, n)."""
    T, C, D, inner = length, config["hidden_size"], config["head_dim"], config["intermediate_size"]
    H, G = config["num_attention_heads"], config["num_key_value_heads"]
    block = [(T, C, H * D), (T, C, G * D), (T, C, G * D), (T, H * D, C), (T, C, inner), (T, C, inner), (T, inner, C)]
    block += [(T, D, T), (T, T, D)] * H
    products = block * config["num_hidden_layers"] + [(T, C, config["vocab_size"])]
    return sum(2 * m * k * n for m, k, n in products)


@variant
def linear_and_quadratic(config, length):
    """a T + b T²."""
    C, D, L = config["hidden_size"], config["head_dim"], config["num_hidden_layers"]
    H, G = config["num_attention_heads"], config["num_key_value_heads"]
    linear = L * C * (2 * (H + G) * D + 3 * config["intermediate_size"]) + C * config["vocab_size"]
    return 2 * linear * length + 4 * L * H * D * length**2
