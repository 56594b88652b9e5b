"""Bytes of a training step by arithmetic, each term by its name. Nothing here needs torch.

The formulas follow model/layers.py, parts/reference.py, training/losses.py and training/optim.py operation by operation:
what autograd saves for the backward pass, and what lies beside it when memory is highest. Tests hold them against the
tensors that torch really saves. Letters: N tokens of a pass, B rows, T tokens of a row, D hidden size, H query heads, V
vocabulary, e bytes of a number in the precision of the pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fledge.model.config import ModelConfig
from fledge.training.optimizers import OPTIMIZERS, RULES, Role

FP32 = 4
INT64 = 8
ELEMENT = {"fp32": 4, "bf16": 2, "fp16": 2}
MAX_LOGITS = 2**24  # of training.losses, which needs torch; a test holds them together
TABLES = 3  # of a language model's loss: log-probabilities and two gradients
EXPLICIT_UP_TO = 512  # tokens of a row: parts.reference.attention
QKV = ("q_proj", "k_proj", "v_proj")
EXPERT = ("gate_proj", "up_proj", "down_proj")
Attention = Literal["fused", "cpu", "explicit", "repeated"]
FUSED = ("fused", "cpu", "repeated")  # nothing of T × T is kept
Terms = dict[str, float]  # name -> bytes


@dataclass(frozen=True)
class Adapter:
    """What is trained instead of the weights: LoRA of that rank on those linear layers of the blocks. The weights are frozen, and
    kept in the precision of the pass, those of the linear layers in `bits` each when they are quantised."""

    rank: int
    targets: tuple[str, ...]
    dropout: bool = False
    dora: bool = False
    bits: float | None = None


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass. `packed`: rows hold several documents, so there is a mask. `tables`: fp32 numbers a token of
    the vocabulary and position of a chunk that the loss holds at once; 0 without a head over the vocabulary (a reward model)."""

    batch_size: int
    seq_len: int
    precision: str = "fp32"
    attention: Attention = "fused"
    packed: bool = True
    checkpoint: bool = False
    adapter: Adapter | None = None
    tables: int = TABLES

    @property
    def num_tokens(self) -> int:
        return self.batch_size * self.seq_len

    @property
    def element(self) -> int:
        return ELEMENT[self.precision]


def attention_kind(device: str, precision: str, seq_len: int, packed: bool, grouped: bool) -> Attention:
    """Which attention runs (parts.reference.attention): the fused kernel of a GPU or of a CPU, the formula written out, or
    the fused kernel of a GPU over keys and values that were repeated for all query heads ("repeated"), because there a mask
    or fp32 does not go together with grouped queries.
    """
    if device == "cpu":
        return "explicit" if precision == "bf16" and seq_len <= EXPLICIT_UP_TO else "cpu"
    return "repeated" if grouped and (packed or precision == "fp32") else "fused"


def parameters(shape: ModelConfig) -> dict[Role, int]:
    """Numbers of parameters by their role for the optimizer."""
    counts, D, hd = shape.num_parameters(), shape.hidden_size, shape.head_dim or 0
    vectors = D + shape.num_hidden_layers * (shape.norms_a_block * D + (2 * hd if shape.qk_norm else 0))
    vectors += shape.num_hidden_layers * shape.attention_biases
    if shape.mlp_bias:
        dense = sum(not shape.is_sparse(layer) for layer in range(shape.num_hidden_layers))
        vectors += dense * (2 * shape.intermediate_size + D)
    table = shape.vocab_size * D
    head = 0 if shape.tie_word_embeddings else table
    return {
        "matrices": counts["total"] - counts["embedding"] - vectors,
        "embedding": table,
        "head": head,
        "vectors": vectors,
    }


def trained(shape: ModelConfig, adapter: Adapter | None) -> dict[Role, int]:
    """Numbers that are trained, by their role: all, or those of the adapter."""
    if adapter is None:
        return parameters(shape)
    sizes = [(rows, cols) for name, rows, cols in linears(shape) if name in adapter.targets]
    vectors = sum(rows for rows, _ in sizes) if adapter.dora else 0
    numbers = sum(adapter.rank * (rows + cols) for rows, cols in sizes)
    return {"matrices": numbers, "embedding": 0, "head": 0, "vectors": vectors}


def weights(shape: ModelConfig, step: Pass) -> Terms:
    """Bytes of the weights: master weights in fp32; frozen ones as the products want them, or quantised."""
    total = sum(parameters(shape).values())
    if step.adapter is None:
        return {"weights": FP32 * total}
    own = FP32 * sum(trained(shape, step.adapter).values())
    blocks = sum(rows * cols for name, rows, cols in linears(shape) if name != "gate")
    bits = 8 * step.element if step.adapter.bits is None else step.adapter.bits
    return {"weights": step.element * (total - blocks) + bits / 8 * blocks, "adapter": own}


def optimizer_state(shape: ModelConfig, optimizer: str, adapter: Adapter | None = None) -> int:
    """Bytes that stay between steps: a rule keeps one or more fp32 numbers a parameter."""
    rules = OPTIMIZERS[optimizer].rules
    return sum(FP32 * len(RULES[rules[role]].slots) * count for role, count in trained(shape, adapter).items())


def optimizer_work(shape: ModelConfig, optimizer: str, step: Pass) -> int:
    """Bytes that the optimizer's step adds for a moment: the stacked matrices of one shape in Muon's iteration, or one
    AdamW denominator."""
    if step.adapter is not None:
        sizes = [max(rows, cols) for name, rows, cols in linears(shape) if name in step.adapter.targets]
        return FP32 * step.adapter.rank * max(sizes, default=0)
    adamw = max(parameters(shape)["embedding"], 0 if optimizer == "muon" else max(r * c for r, c in matrices(shape)))
    if optimizer != "muon":
        return FP32 * adamw
    e = step.element
    most = 0
    for (rows, cols), count in matrices(shape).items():
        side = min(rows, cols)
        # directions and their stack in fp32, then x and the next x; the Gram matrix and its polynomial
        most = max(most, count * (rows * cols * (2 * FP32 + 2 * e) + 2 * side * side * e))
    return max(most, FP32 * adamw)


def linears(shape: ModelConfig) -> list[tuple[str, int, int]]:
    """(name, rows, columns) of every matrix of the blocks; gate is the router of experts."""
    D, hd = shape.hidden_size, shape.head_dim or 0
    q, kv = shape.num_attention_heads * hd, shape.num_key_value_heads * hd
    found = []
    for layer in range(shape.num_hidden_layers):
        found += [("q_proj", q, D), ("k_proj", kv, D), ("v_proj", kv, D), ("o_proj", D, q)]
        sparse = shape.is_sparse(layer)
        F, times = (shape.moe_intermediate_size, shape.num_experts) if sparse else (shape.intermediate_size, 1)
        found += [("gate", shape.num_experts, D)] * sparse
        found += [("gate_proj", F, D), ("up_proj", F, D), ("down_proj", D, F)] * times
    return found


def matrices(shape: ModelConfig) -> dict[tuple[int, int], int]:
    """How many block matrices there are of every (rows, columns)."""
    return dict(Counter((rows, cols) for _, rows, cols in linears(shape)))


def block_activations(shape: ModelConfig, step: Pass, layer: int = 0) -> Terms:
    """What one block saves for its backward pass, without the copies of its weights."""
    N, B, T, e = step.num_tokens, step.batch_size, step.seq_len, step.element
    D, H, G, hd = shape.hidden_size, shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim or 0
    q, kv = H * hd, G * hd

    def norm(numbers: int, vectors: int) -> int:
        # the input in fp32, the normalised input (for the gradient of the scale), one 1/rms a vector
        return numbers * (FP32 + (0 if step.adapter else scaled)) + vectors * FP32

    scaled = FP32 if shape.norm_offset else e
    norms = shape.norms_a_block * norm(N * D, N)
    if shape.qk_norm:
        norms += norm(N * q, N * H) + norm(N * kv, N * G)
    # of the projections, after each norm; a frozen layer without an adapter does not keep its own
    inputs = (_any_trained(step, QKV) + _any_trained(step, EXPERT[:2])) * N * D * e
    attention = N * (2 * q + 2 * (q if step.attention == "repeated" else kv)) * e
    attention += N * H * FP32 if step.attention in FUSED else 0
    weights = B * H * T * T * e if step.attention == "explicit" else 0
    if shape.is_sparse(layer):
        k, E, F = shape.num_experts_per_tok, shape.num_experts, shape.moe_intermediate_size
        # inputs gathered, outputs, outputs weighted; gate, its SiLU, up, their product
        feed_forward = k * N * (3 * D + 4 * F) * e
        feed_forward += N * E * FP32 + k * N * (3 * INT64 + FP32 + e)  # router
    else:
        feed_forward = (3 + _any_trained(step, EXPERT[2:])) * N * shape.intermediate_size * e
    return {
        "norms": norms,
        "projection inputs": inputs,
        "attention": attention,
        "attention weights": weights,
        "feed-forward": feed_forward,
    }


def _any_trained(step: Pass, names: tuple[str, ...]) -> bool:
    """Whether a layer of these is trained, or has an adapter: then it keeps its input."""
    return step.adapter is None or bool(set(names) & set(step.adapter.targets))


def weight_copies(shape: ModelConfig, step: Pass) -> int:
    """Half-precision copies of the matrices, which the backward pass needs again; frozen ones are kept in it."""
    return 0 if step.element == FP32 or step.adapter else parameters(shape)["matrices"] * step.element


def adapter_activations(shape: ModelConfig, step: Pass) -> float:
    """What an adapter saves beside its layers' inputs: x Aᵀ; with dropout the mask and what it leaves; with DoRA the outputs."""
    if step.adapter is None:
        return 0
    saved = 0.0
    for name, rows, cols in linears(shape):
        if name in step.adapter.targets:
            times = shape.num_experts_per_tok / shape.num_experts if shape.is_sparse(0) and name in EXPERT else 1
            each = step.adapter.rank * step.element
            each += (cols * (step.element + 1) if step.adapter.dropout else 0) + rows * step.element * step.adapter.dora
            saved += step.num_tokens * each * times
    return saved


def dequantising(shape: ModelConfig, step: Pass) -> float:
    """The largest matrix, made of four bits for a product: its codes as numbers, its values twice in fp32, and as it is used."""
    if step.adapter is None or step.adapter.bits is None:
        return 0
    return max(rows * cols for _, rows, cols in linears(shape)) * (INT64 + 2 * FP32 + step.element)


def activations(shape: ModelConfig, step: Pass) -> Terms:
    """All that the forward pass up to the final norm saves. With checkpoints: every block's input, and nothing inside."""
    N, B, T, e = step.num_tokens, step.batch_size, step.seq_len, step.element
    D, L, hd = shape.hidden_size, shape.num_hidden_layers, shape.head_dim or 0
    terms: Terms = {}
    if step.checkpoint:
        terms["block inputs"] = L * N * D * e
    else:
        for layer in range(L):
            for name, size in block_activations(shape, step, layer).items():
                terms[name] = terms.get(name, 0) + size
        terms["adapter activations"] = adapter_activations(shape, step)
        terms["weights in half precision"] = weight_copies(shape, step)
    windows = {shape.window_of(layer) for layer in range(L)}
    rope = 2 * (B if step.packed else 1) * T * hd * e * (1 if shape.rope_local_base_freq is None else len(windows))
    mask = sum(_mask(step, window) for window in windows)
    last = N * D * (FP32 + (FP32 if shape.norm_offset else e)) + N * FP32
    terms["positions, mask, last norm"] = rope + mask + last + N * INT64
    return {name: size for name, size in terms.items() if size}


def _mask(step: Pass, window: int | None) -> int:
    """One for all layers with that window: of every row when documents are packed; written out, the formula does not keep it."""
    if not step.packed and (window is None or window >= step.seq_len):
        return 0
    rows = step.batch_size if step.packed else 1
    return rows * step.seq_len**2 * step.element if step.attention in FUSED or step.checkpoint else 0


def backward_work(shape: ModelConfig, step: Pass) -> float:
    """Gradients in flight inside one block, and with checkpoints that block's own activations, computed again."""
    N, e = step.num_tokens, step.element
    sparse = shape.is_sparse(shape.num_hidden_layers - 1)
    inner = shape.num_experts_per_tok * shape.moe_intermediate_size if sparse else shape.intermediate_size
    weights = block_activations(shape, step, shape.num_hidden_layers - 1)["attention weights"]
    flight = N * shape.hidden_size * (FP32 + 2 * e) + max(N * inner * e, weights)
    if step.checkpoint:
        inside = weight_copies(shape, step) + adapter_activations(shape, step)
        flight += sum(block_activations(shape, step).values()) + inside / shape.num_hidden_layers
    return flight + dequantising(shape, step)


def logits_work(shape: ModelConfig, step: Pass) -> float:
    """What the loss holds over one chunk: log-probabilities and two gradients in fp32, or later the gradient of the head,
    beside the one of the chunk before; in half precision a copy of the head, and its gradient also in fp32. Beside a teacher's
    logits there are more tables (`Pass.tables`)."""
    if not step.tables:
        return 0
    N, V, e = step.num_tokens, shape.vocab_size, step.element
    positions = min(N, max(64, MAX_LOGITS // V))
    if step.adapter is not None:
        return step.tables * FP32 * positions * V
    head, half = V * shape.hidden_size, e < FP32
    before = head * e if positions < N else 0
    return head * e * half + before + max(step.tables * FP32 * positions * V, head * (e + FP32 * half))


def phases(
    shape: ModelConfig, step: Pass, optimizer: str, accumulation_steps: int, frozen: Sequence[ModelConfig] = ()
) -> dict[str, Terms]:
    """The moments of a step at which memory may be highest, each as bytes by name. `frozen`: other models that only run
    forward (a reference, a teacher)."""
    counts = trained(shape, step.adapter)
    total = sum(counts.values())
    N, D, V = step.num_tokens, shape.hidden_size, shape.vocab_size
    stays: Terms = {**weights(shape, step), "optimizer state": optimizer_state(shape, optimizer, step.adapter)}
    if frozen:
        stays["frozen models"] = sum(FP32 * sum(parameters(other).values()) for other in frozen)
    head_gradient = FP32 * V * D if counts["embedding"] and step.tables else 0
    later = 0 if step.tables else counts["embedding"]  # without a head, the embedding's gradient comes last
    kept: Terms = {"gradients": FP32 * total} if accumulation_steps > 1 else {}  # of the passes before
    saved = activations(shape, step)
    hidden = N * D * step.element
    return {
        "loss": {
            **stays,
            **kept,
            **saved,
            "loss": logits_work(shape, step) + 2 * hidden + head_gradient,
        },
        "backward": {
            **stays,
            "gradients": kept.get("gradients", 0) + head_gradient,
            **saved,
            "gradients in flight": hidden + max(backward_work(shape, step), hidden + head_gradient),
        },
        "end of backward": {  # the first block is left
            **stays,
            "gradients": FP32 * (total - later - counts["matrices"] / shape.num_hidden_layers),
            "first block": sum(saved.values()) / shape.num_hidden_layers,
            "gradients in flight": backward_work(shape, step) + head_gradient * bool(kept) / 2,
        },
        "optimizer": {
            **stays,
            "gradients": FP32 * total,
            "optimizer work": optimizer_work(shape, optimizer, step),
        },
    }


def peak(
    shape: ModelConfig, step: Pass, optimizer: str, accumulation_steps: int, frozen: Sequence[ModelConfig] = ()
) -> tuple[str, Terms]:
    """The moment at which memory is highest, and what it holds."""
    moments = phases(shape, step, optimizer, accumulation_steps, frozen)
    name = max(moments, key=lambda moment: sum(moments[moment].values()))
    return name, moments[name]
