"""What a run says of itself before its first step."""

from __future__ import annotations

from fledge.errors import flag
from fledge.lang import _
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
    active = f"{sizes['active'] / 1e6:.2f}M"
    active = _(" ({active} active)").format(active=active) if sizes["active"] != sizes["total"] else ""
    rate = f"{train.num_bytes / max(1, train.num_targets):.2f}"
    step = f"{config.batch_size}×{config.seq_len}×{config.accumulation_steps}"
    dtype = str(model.compute_dtype).removeprefix("torch.")
    length = config.budget
    if length and (preparing := run.info.get("preparing_seconds", 0.0)) >= 1:
        length = _("{budget}, of which {seconds:.0f} s went into preparing").format(budget=length, seconds=preparing)
    if config.steps:
        length = _("{steps} steps").format(steps=config.steps)
    elif config.epochs:
        length = _("{epochs:g} epochs").format(epochs=config.epochs)
    lines = [
        _("run {run}: {body}, {total} parameters{active}, {table} in the embedding").format(
            run=run.name, body=body, total=total, active=active, table=table
        ),
        _(
            "  data: {tokens:,} tokens, {megabytes:.2f} MB ({rate} bytes a token) "
            "· vocabulary {vocab_size} · {step} tokens a step · {dtype} on {device} · {length}"
        ).format(
            tokens=train.num_tokens,
            megabytes=train.num_bytes / 1e6,
            rate=rate,
            vocab_size=tokenizer.vocab_size,
            step=step,
            dtype=dtype,
            device=model.device,
            length=length,
        ),
    ]
    lines.append(
        _("  optimizer: {optimizer} ({optimizer_reason})").format(
            optimizer=config.optimizer, optimizer_reason=optimizer_reason
        )
    )
    if not all(parameter.requires_grad for parameter in model.parameters()):
        count = run.info["model"]["num_parameters"]["trained"]
        share = f"{count / sizes['total']:.2%}"
        lines.append(
            _("  trained: {count:,} parameters, {share} as many as the model has; it stays as it is").format(
                count=count, share=share
            )
        )
    if rows["truncated"] or rows["dropped"]:
        left_out = (
            _(", {dropped} are left out because no answer remains ({flag})").format(
                dropped=rows["dropped"], flag=flag("seq_len")
            )
            if rows["dropped"]
            else ""
        )
        lines.append(
            _("  longer than {seq_len} tokens: {truncated} conversations are cut at the end").format(
                seq_len=config.seq_len, truncated=rows["truncated"]
            )
            + left_out
        )
    if mine := whose(model.parts):
        lines.append(mine)
    return "\n".join(lines)
