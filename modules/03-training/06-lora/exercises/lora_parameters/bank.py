"""Wrong and right ways to count an adapter's parameters."""

from __future__ import annotations

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def sizes(config):
    C, D, inner = config["hidden_size"], config["head_dim"], config["intermediate_size"]
    q, k = config["num_attention_heads"] * D, config["num_key_value_heads"] * D
    return {
        "q_proj": (q, C), "k_proj": (k, C), "v_proj": (k, C), "o_proj": (C, q),
        "gate_proj": (inner, C), "up_proj": (inner, C), "down_proj": (C, inner),
    }  # fmt: skip


def total(config, r, targets, **changed):
    table = sizes(config) | changed
    return config["num_hidden_layers"] * sum(r * sum(table[name]) for name in targets)


@mistake(
    Text(
        "你数的是 B A（out × in），那和原来的权重一样大。要数的是 A 和 B。",
        "You count B A (out × in), as large as the weight. Count A and B.",
    )
)
def whole_update(config, r, targets):
    return config["num_hidden_layers"] * sum(out * n for out, n in (sizes(config)[name] for name in targets))


@mistake(Text("r 乘的是 out × in：应当乘 out + in。", "You multiply r with out × in: it is out + in."))
def product(config, r, targets):
    return config["num_hidden_layers"] * sum(r * out * n for out, n in (sizes(config)[name] for name in targets))


@mistake(Text("只数了 A，还有 B。", "Only A is counted; there is B too."))
def only_A(config, r, targets):
    return config["num_hidden_layers"] * sum(r * sizes(config)[name][1] for name in targets)


@mistake(Text("只数了 B，还有 A。", "Only B is counted; there is A too."))
def only_B(config, r, targets):
    return config["num_hidden_layers"] * sum(r * sizes(config)[name][0] for name in targets)


@mistake(Text("没有乘块数 L。", "The number of blocks L is missing."))
def one_block(config, r, targets):
    return total(config | {"num_hidden_layers": 1}, r, targets)


@mistake(
    Text(
        "k_proj 和 v_proj 按 H 个头算了：它们只有 G 个头。",
        "k_proj and v_proj are counted with H heads: they have only G.",
    )
)
def keys_as_queries(config, r, targets):
    return total(config | {"num_key_value_heads": config["num_attention_heads"]}, r, targets)


@mistake(
    Text(
        "注意力的层都按 C × C 算了：大小由头数和 head_dim 决定。",
        "Attention is counted as C × C: its sizes follow from the heads and head_dim.",
    )
)
def square_attention(config, r, targets):
    C = config["hidden_size"]
    return total(config, r, targets, **dict.fromkeys(("q_proj", "k_proj", "v_proj", "o_proj"), (C, C)))


@mistake(
    Text("head_dim 你用了 C / H：配置里单独给出了它。", "You take C / H for head_dim: the configuration states it.")
)
def derived_head_dim(config, r, targets):
    return total(config | {"head_dim": config["hidden_size"] // config["num_attention_heads"]}, r, targets)


@mistake(
    Text(
        "前馈层的宽度写死成了 4C：请用 intermediate_size。",
        "The feed-forward width is fixed at 4C: use intermediate_size.",
    )
)
def four_times_wide(config, r, targets):
    return total(config | {"intermediate_size": 4 * config["hidden_size"]}, r, targets)


@mistake(Text("所有层都数了：只数 targets 里的。", "Every layer is counted: only those of targets."))
def every_layer(config, r, targets):
    return total(config, r, list(sizes(config)))


@mistake(
    Text(
        "每层多数了一个偏置（out 个数）：LoRA 没有偏置。",
        "A bias of out numbers is counted for every layer: LoRA has none.",
    )
)
def with_bias(config, r, targets):
    return total(config, r, targets) + config["num_hidden_layers"] * sum(sizes(config)[name][0] for name in targets)


@mistake(Text("冻结的权重也数进去了：只数训练的。", "The frozen weights are counted too: only what is trained."))
def with_the_weights(config, r, targets):
    weights = sum(out * n for out, n in (sizes(config)[name] for name in targets))
    return total(config, r, targets) + config["num_hidden_layers"] * weights


@variant
def by_table(config, r, targets):
    return total(config, r, targets)


@variant
def by_counting_both(config, r, targets):
    found = 0
    for _ in range(config["num_hidden_layers"]):
        for name in targets:
            out, n = sizes(config)[name]
            found += r * n
            found += out * r
    return found


@variant
def by_ends(config, r, targets):
    C, D = config["hidden_size"], config["head_dim"]
    width = {
        "q": "num_attention_heads",
        "o": "num_attention_heads",
        "k": "num_key_value_heads",
        "v": "num_key_value_heads",
    }
    other = [config[width[name[0]]] * D if name[0] in "qkvo" else config["intermediate_size"] for name in targets]
    return r * config["num_hidden_layers"] * sum(C + size for size in other)
