"""What a run says of itself before its first step."""

from __future__ import annotations

from fledge.data import Dataset, PackedBatches
from fledge.model.transformer import Transformer
from fledge.parts.learner import banner as whose
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training.config import TrainConfig


def banner(
    run: Run,
    model: Transformer,
    tokenizer: Tokenizer,
    train: Dataset,
    config: TrainConfig,
    steps: int | None,
    batches: PackedBatches,
) -> str:
    """What is about to be trained on what, and what of the data is not used."""
    shape, sizes = model.config, model.config.num_parameters()
    length = f"{steps} steps" if steps else f"{config.budget}"
    lost = ""
    if batches.truncated or batches.dropped:
        lost = f"\n  longer than {config.seq_len} tokens: {batches.truncated} conversations are cut at the end"
        lost += f", {batches.dropped} are left out because no answer remains (--seq-len)" if batches.dropped else ""
    active = f" ({sizes['active'] / 1e6:.2f}M active)" if sizes["active"] != sizes["total"] else ""
    return (
        f"run {run.name}: {shape.model_type} {shape.hidden_size}×{shape.num_hidden_layers}, "
        f"{sizes['total'] / 1e6:.2f}M parameters{active}, {sizes['embedding'] / sizes['total']:.0%} in the embedding\n"
        f"  data: {train.num_tokens:,} tokens, {train.num_bytes / 1e6:.2f} MB"
        f" ({train.num_bytes / max(1, train.num_targets):.2f} bytes a token)"
        f" · vocabulary {tokenizer.vocab_size} · {config.batch_size}×{config.seq_len}×{config.accumulation_steps} tokens a step"
        f" · {str(model.compute_dtype).removeprefix('torch.')} on {model.device} · {length}{lost}"
        + (f"\n{mine}" if (mine := whose(model.parts)) else "")
    )
