"""What a run says of itself before its first step."""

from __future__ import annotations

from fledge.errors import flag
from fledge.lang import say
from fledge.parts.learner import banner as whose
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training.config import TrainConfig
from fledge.training.objective import Objective


def banner(run: Run, objective: Objective, tokenizer: Tokenizer, config: TrainConfig, optimizer_reason: str) -> str:
    """What is about to be trained on what, and what of the data is not used."""
    model, train, rows = objective.model, objective.train, objective.batches.report()
    shape, sizes = model.config, model.config.num_parameters()
    body = f"{shape.model_type} {shape.hidden_size}×{shape.num_hidden_layers}"
    total, table = f"{sizes['total'] / 1e6:.2f}M", f"{sizes['embedding'] / sizes['total']:.0%}"
    sparse, active = sizes["active"] != sizes["total"], f"{sizes['active'] / 1e6:.2f}M"
    rate = f"{train.num_bytes / max(1, train.num_targets):.2f}"
    step = f"{config.batch_size}×{config.seq_len}×{config.accumulation_steps}"
    dtype = str(model.compute_dtype).removeprefix("torch.")
    length = config.budget
    if config.steps:
        length = say(f"{config.steps} 步", f"{config.steps} steps")
    elif config.epochs:
        length = say(f"{config.epochs:g} 遍", f"{config.epochs:g} epochs")
    lines = [
        say(
            f"训练 {run.name}：{body}，{total} 参数" + f"（每个词元用到 {active}）" * sparse + f"，{table} 在词嵌入",
            f"run {run.name}: {body}, {total} parameters"
            + f" ({active} active)" * sparse
            + f", {table} in the embedding",
        ),
        say(
            f"  数据：{train.num_tokens:,} 个词元，{train.num_bytes / 1e6:.2f} MB（每个词元 {rate} 字节）· "
            f"词表 {tokenizer.vocab_size} · 每步 {step} 个词元 · {dtype}，{model.device} · {length}",
            f"  data: {train.num_tokens:,} tokens, {train.num_bytes / 1e6:.2f} MB ({rate} bytes a token) · vocabulary "
            f"{tokenizer.vocab_size} · {step} tokens a step · {dtype} on {model.device} · {length}",
        ),
    ]
    lines.append(
        say(
            f"  优化器：{config.optimizer}（{optimizer_reason}）",
            f"  optimizer: {config.optimizer} ({optimizer_reason})",
        )
    )
    if rows["truncated"] or rows["dropped"]:
        left_out = (
            say(
                f"，{rows['dropped']} 段没有剩下回答，不用（{flag('seq_len')}）",
                f", {rows['dropped']} are left out because no answer remains ({flag('seq_len')})",
            )
            if rows["dropped"]
            else ""
        )
        lines.append(
            say(
                f"  超过 {config.seq_len} 个词元：{rows['truncated']} 段对话截去末尾",
                f"  longer than {config.seq_len} tokens: {rows['truncated']} conversations are cut at the end",
            )
            + left_out
        )
    if mine := whose(model.parts):
        lines.append(mine)
    return "\n".join(lines)
