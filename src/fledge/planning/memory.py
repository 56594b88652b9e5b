"""Bytes of a training step by arithmetic, each term by its name. Nothing here needs torch.

The formulas follow model/layers.py, parts/reference.py, training/losses.py and training/optim.py operation by operation:
what autograd saves for the backward pass, and what lies beside it when memory is highest. Tests hold them against the
tensors that torch really saves. Letters: N tokens of a pass, B rows, T tokens of a row, D hidden size, H query heads, V
vocabulary, e bytes of a number in the precision of the pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fledge.model.config import ModelConfig
from fledge.training.optimizers import OPTIMIZERS, RULES, Role

FP32 = 4
INT64 = 8
ELEMENT = {"fp32": 4, "bf16": 2, "fp16": 2}
MAX_LOGITS = 2**24  # of training.losses, which needs torch; a test holds them together
EXPLICIT_UP_TO = 512  # tokens of a row: parts.reference.attention
Attention = Literal["fused", "cpu", "explicit", "repeated"]
FUSED = ("fused", "cpu", "repeated")  # nothing of T × T is kept
Terms = dict[str, float]  # name -> bytes


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass. `packed`: rows hold several documents, so there is a mask."""

    batch_size: int
    seq_len: int
    precision: str = "fp32"
    attention: Attention = "fused"
    packed: bool = True
    checkpoint: bool = False

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
    vectors = D + shape.num_hidden_layers * (2 * D + (2 * hd if shape.qk_norm else 0))
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


def optimizer_state(shape: ModelConfig, optimizer: str) -> int:
    """Bytes that stay between steps: a rule keeps one or more fp32 numbers a parameter."""
    rules = OPTIMIZERS[optimizer].rules
    return sum(FP32 * len(RULES[rules[role]].slots) * count for role, count in parameters(shape).items())


def optimizer_work(shape: ModelConfig, optimizer: str, precision: str) -> int:
    """Bytes that the optimizer's step adds for a moment: the stacked matrices of one shape in Newton–Schulz, or one
    AdamW denominator."""
    adamw = max(parameters(shape)["embedding"], 0 if optimizer == "muon" else max(r * c for r, c in matrices(shape)))
    if optimizer != "muon":
        return FP32 * adamw
    e = ELEMENT[precision]
    most = 0
    for (rows, cols), count in matrices(shape).items():
        side = min(rows, cols)
        # directions and their stack in fp32, then x and the next x; the Gram matrix and its polynomial
        most = max(most, count * (rows * cols * (2 * FP32 + 2 * e) + 2 * side * side * e))
    return max(most, FP32 * adamw)


def matrices(shape: ModelConfig) -> dict[tuple[int, int], int]:
    """How many block matrices there are of every (rows, columns)."""
    D, hd = shape.hidden_size, shape.head_dim or 0
    q, kv = shape.num_attention_heads * hd, shape.num_key_value_heads * hd
    found: dict[tuple[int, int], int] = {}
    for layer in range(shape.num_hidden_layers):
        sizes = [(q, D), (kv, D), (kv, D), (D, q)]
        if shape.is_sparse(layer):
            F = shape.moe_intermediate_size
            sizes += [(shape.num_experts, D)] + [(F, D), (F, D), (D, F)] * shape.num_experts
        else:
            F = shape.intermediate_size
            sizes += [(F, D), (F, D), (D, F)]
        for size in sizes:
            found[size] = found.get(size, 0) + 1
    return found


def block_activations(shape: ModelConfig, step: Pass, layer: int = 0) -> Terms:
    """What one block saves for its backward pass, without the copies of its weights."""
    N, B, T, e = step.num_tokens, step.batch_size, step.seq_len, step.element
    D, H, G, hd = shape.hidden_size, shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim or 0
    q, kv = H * hd, G * hd

    def norm(numbers: int, vectors: int) -> int:
        return numbers * (FP32 + e) + vectors * FP32  # the input in fp32, the normalised input, one 1/rms a vector

    norms = 2 * norm(N * D, N)
    if shape.qk_norm:
        norms += norm(N * q, N * H) + norm(N * kv, N * G)
    inputs = 2 * N * D * e  # of the projections, after each norm
    attention = N * (2 * q + 2 * (q if step.attention == "repeated" else kv)) * e
    attention += N * H * FP32 if step.attention in FUSED else 0
    weights = B * H * T * T * e if step.attention == "explicit" else 0
    if shape.is_sparse(layer):
        k, E, F = shape.num_experts_per_tok, shape.num_experts, shape.moe_intermediate_size
        # inputs gathered, outputs, outputs weighted; gate, its SiLU, up, their product
        feed_forward = k * N * (3 * D + 4 * F) * e
        feed_forward += N * E * FP32 + k * N * (3 * INT64 + FP32 + e)  # router
    else:
        feed_forward = 4 * N * shape.intermediate_size * e
    return {
        "norms": norms,
        "projection inputs": inputs,
        "attention": attention,
        "attention weights": weights,
        "feed-forward": feed_forward,
    }


def weight_copies(shape: ModelConfig, step: Pass) -> int:
    """Half-precision copies of the matrices, which the backward pass needs again."""
    return 0 if step.element == FP32 else parameters(shape)["matrices"] * step.element


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
        terms["weights in half precision"] = weight_copies(shape, step)
    rope = 2 * (B if step.packed else 1) * T * hd * e
    mask = B * T * T * e if step.packed and (step.attention in FUSED or step.checkpoint) else 0
    last = N * D * (FP32 + e) + N * FP32
    terms["positions, mask, last norm"] = rope + mask + last + N * INT64
    return {name: size for name, size in terms.items() if size}


def backward_work(shape: ModelConfig, step: Pass) -> float:
    """Gradients in flight inside one block, and with checkpoints that block's own activations, computed again."""
    N, e = step.num_tokens, step.element
    sparse = shape.is_sparse(shape.num_hidden_layers - 1)
    inner = shape.num_experts_per_tok * shape.moe_intermediate_size if sparse else shape.intermediate_size
    weights = block_activations(shape, step, shape.num_hidden_layers - 1)["attention weights"]
    flight = N * shape.hidden_size * (FP32 + 2 * e) + max(N * inner * e, weights)
    if step.checkpoint:
        flight += sum(block_activations(shape, step).values()) + weight_copies(shape, step) / shape.num_hidden_layers
    return flight


def logits_work(shape: ModelConfig, step: Pass) -> float:
    """What the loss holds over one chunk: log-probabilities and two gradients in fp32, or later the gradient of the head,
    beside the one of the chunk before; in half precision a copy of the head, and its gradient also in fp32."""
    N, V, e = step.num_tokens, shape.vocab_size, step.element
    positions = min(N, max(64, MAX_LOGITS // V))
    head, half = V * shape.hidden_size, e < FP32
    before = head * e if positions < N else 0
    return head * e * half + before + max(3 * FP32 * positions * V, head * (e + FP32 * half))


def phases(
    shape: ModelConfig, step: Pass, optimizer: str, accumulation_steps: int, frozen: Sequence[ModelConfig] = ()
) -> dict[str, Terms]:
    """The moments of a step at which memory may be highest, each as bytes by name. `frozen`: other models that only run
    forward (a reference, a teacher)."""
    total = sum(parameters(shape).values())
    N, D, V = step.num_tokens, shape.hidden_size, shape.vocab_size
    stays: Terms = {"weights": FP32 * total, "optimizer state": optimizer_state(shape, optimizer)}
    if frozen:
        stays["frozen models"] = sum(FP32 * sum(parameters(other).values()) for other in frozen)
    head_gradient = FP32 * V * D
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
            "gradients": FP32 * (total - parameters(shape)["matrices"] / shape.num_hidden_layers),
            "first block": sum(saved.values()) / shape.num_hidden_layers,
            "gradients in flight": backward_work(shape, step) + head_gradient * bool(kept) / 2,
        },
        "optimizer": {
            **stays,
            "gradients": FP32 * total,
            "optimizer work": optimizer_work(shape, optimizer, step.precision),
        },
    }


def peak(
    shape: ModelConfig, step: Pass, optimizer: str, accumulation_steps: int, frozen: Sequence[ModelConfig] = ()
) -> tuple[str, Terms]:
    """The moment at which memory is highest, and what it holds."""
    moments = phases(shape, step, optimizer, accumulation_steps, frozen)
    name = max(moments, key=lambda moment: sum(moments[moment].values()))
    return name, moments[name]
