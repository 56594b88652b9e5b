"""How a run is left and taken up again: everything of it that a checkpoint holds, and what may differ when it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from fledge.errors import UserError, flag
from fledge.lang import say
from fledge.parts.learner import identity
from fledge.training.checkpoint import load_checkpoint, random_state, save_checkpoint, set_random_state

if TYPE_CHECKING:
    from fledge.training.loop import Fit


def leave(fit: Fit, data: dict[str, Any] | None = None) -> None:
    """Write a checkpoint of this moment; `data` says where the rows were, when that is another one."""
    tensors: dict[str, torch.Tensor] = {f"model.{name}": p for name, p in fit.model.named_parameters()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in fit.optimizer.state.items()}
    state = {
        "step": fit.step,
        "tokens": fit.tokens,
        "total_tokens": fit.total_tokens,
        "length": _length(fit),
        "made_by": _maker(fit),
        "seconds": fit.clock.elapsed,
        "splits": fit.splits,
        "optimizer_steps": fit.optimizer.num_steps,
        "scaler": fit.scaler.state_dict(),
        "data": data or fit.objective.batches.state_dict(),
        "last_val": fit.last_val,
    }
    save_checkpoint(fit.run.checkpoints_dir, fit.step, tensors | random_state(), state, fit.config.keep)


@torch.no_grad()
def take_up(fit: Fit) -> None:
    """Go back to the newest whole checkpoint of the run, or to its beginning when there is none."""
    found = load_checkpoint(fit.run.checkpoints_dir)
    name = fit.run.name
    if found is None:
        fit.console.say(
            say(f"{name} 没有完整的检查点：从头开始", f"run '{name}' has no whole checkpoint: it begins again")
        )
        fit.run.rewind(-1)
        fit.run.update(status="running", finished=None)
        return
    tensors, state = found
    if state["data"].keys() != fit.objective.batches.state_dict().keys():
        raise UserError(
            say(
                f"训练 '{name}' 不能换别的数据继续：用 {flag('replay')} 给它开始时用的那些文本。",
                f"run '{name}' cannot resume with other data: give it the replay texts it was started with.",
            )
        )
    fit.objective.batches.load_state_dict(state["data"])
    for key, parameter in fit.model.named_parameters():
        if tensors[f"model.{key}"].shape != parameter.shape:
            raise UserError(
                say(
                    f"训练 '{name}' 不能继续：它开始时用的那个模型后来变了。",
                    f"run '{name}' cannot resume: the model it was started from has changed since.",
                )
            )
        parameter.copy_(tensors[f"model.{key}"])
    fit.optimizer.load_state_dict(
        {
            "num_steps": state["optimizer_steps"],
            "state": {k: tensors[f"optimizer.{k}"] for k in fit.optimizer.state},
        }
    )
    set_random_state(tensors)
    fit.scaler.load_state_dict(state["scaler"])
    fit.step, fit.tokens, fit.splits = state["step"], state["tokens"], state["splits"]
    _same_length(fit, state)
    fit.last_val = state["last_val"]
    fit.clock.earlier = fit.saved_at = state["seconds"]
    fit.clock.restart()
    fit.run.rewind(fit.step)
    fit.run.update(status="running", finished=None)
    fit.console.say(
        say(
            f"{name} 从第 {fit.step} 步之后接着训练（已读 {fit.tokens:,} 个词元）",
            f"run '{name}' goes on after step {fit.step} ({fit.tokens:,} tokens)",
        )
    )
    mine = _maker(fit)
    if other := [f"{key} {was} → {mine[key]}" for key, was in state["made_by"].items() if was != mine[key]]:
        fit.console.say(
            say(
                f"有设置变了：{'、'.join(other)}；从这里起不再保证与不间断的训练逐位相同",
                f"it goes on with {', '.join(other)}: from here it can no longer be bit-identical to a run without a break",
            )
        )


def _length(fit: Fit) -> list[Any]:
    return [fit.config.steps, fit.config.epochs, fit.config.budget]


def _maker(fit: Fit) -> dict[str, Any]:
    """What the last bits depend on besides the data and the seed."""
    return {
        "batch_size": fit.config.batch_size,
        "accumulation_steps": fit.config.accumulation_steps,
        "device": fit.model.device.type,
        "threads": torch.get_num_threads(),
        "precision": str(fit.model.compute_dtype).removeprefix("torch."),
        "torch": torch.__version__,
        **identity(fit.parts),
    }


def _same_length(fit: Fit, state: dict[str, Any]) -> None:
    """A run that goes on with other batches ends at the same token; one that was given another length, there."""
    if state["length"] == _length(fit):
        fit.total_tokens = state["total_tokens"]
    else:
        fit.total_tokens += fit.tokens - fit.step * fit.tokens_per_step
    if not fit.budget:
        fit.console.steps = fit.step + fit.steps_left()
