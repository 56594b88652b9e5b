"""What is trained is data: frozen weights cost no gradient and no checkpoint, wrapped linears train and load, auto picks a rule."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fledge.errors import UserError
from fledge.jobs import runner
from fledge.jobs.settings import job_config
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model
from fledge.model.layers import Linear
from fledge.model.presets import preset
from fledge.planning.work import chosen_optimizer, update_share
from fledge.training.losses import linear_cross_entropy
from fledge.training.prefetch import Prefetch
from tests.jobs.test_fit import TEXTS, pretrain, tokenizer  # noqa: F401 (a fixture)


class LowRank(Linear):
    """A frozen linear with a trained update of rank 2: what an adapter is."""

    def __init__(self, base: nn.Linear):
        super().__init__(base.in_features, base.out_features, bias=base.bias is not None)
        self.weight = base.weight.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(2, base.in_features, generator=torch.Generator().manual_seed(0)) * 0.1)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, 2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x @ self.lora_A.T.to(x.dtype) @ self.lora_B.T.to(x.dtype)


def wrapped(*args, **kwargs):
    model = load_model(*args, **kwargs)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for block in model.model.layers:
        block.mlp.up_proj = LowRank(block.mlp.up_proj)
    return model


def test_adapters_alone_are_trained_saved_and_resumed(tokenizer, monkeypatch):  # noqa: F811
    base = pretrain(tokenizer, run="base")
    monkeypatch.setattr(runner, "load_model", wrapped)
    monkeypatch.setattr(runner, "save_model", lambda model, folder: folder.mkdir(exist_ok=True))
    settings = {"model": "base", "set": {}, "save_every": 3, "optimizer": "adamw", "lr": 0.01}
    whole = pretrain(tokenizer, run="whole", **settings)
    saved = load_file(whole.checkpoints_dir / "step-12" / "state.safetensors")
    names = sorted(name for name in saved if name.startswith("model."))
    assert names == [f"model.model.layers.0.mlp.up_proj.lora_{x}" for x in "AB"]
    assert saved[names[1]].abs().max() > 0
    shutil.rmtree(whole.checkpoints_dir / "step-12")  # as if it had been killed after the ninth step
    whole.update(status="running")
    again = pretrain(tokenizer, run="whole", resume=True, **settings)
    other = load_file(again.checkpoints_dir / "step-12" / "state.safetensors")
    assert all(torch.equal(saved[name], other[name]) for name in saved)
    # another base under the same adapters is another run
    weights = load_file(base.model_dir / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, base.model_dir / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="the model it was started from has changed since"):
        pretrain(tokenizer, run="whole", resume=True, **settings | {"steps": 14})


def test_a_frozen_head_costs_no_gradient():
    hidden = torch.randn(1, 7, 8, requires_grad=True)
    weight = torch.randn(11, 8)
    targets = torch.tensor([[1, 2, -100, 3, 4, 5, 10]])
    frozen = linear_cross_entropy(hidden, weight, targets)
    frozen.backward()
    got, hidden.grad = hidden.grad.clone(), None
    trained = weight.clone().requires_grad_()
    linear_cross_entropy(hidden, trained, targets).backward()
    assert torch.equal(got, hidden.grad) and trained.grad is not None and weight.grad is None


def test_auto_keeps_to_the_optimizer_that_made_the_model(tokenizer):  # noqa: F811
    made = pretrain(tokenizer, run="by-muon")
    assert made.info["config"]["optimizer"] == "muon" and made.info["config"]["lr"] == 0.025
    shape = ModelConfig.load(made.model_dir)
    assert chosen_optimizer(job_config("sft", model="by-muon"), shape)[0] == "muon"
    elsewhere = made.path.parent / "elsewhere"
    (made.model_dir).rename(elsewhere)
    name, reason = chosen_optimizer(job_config("sft", model=str(elsewhere)), shape)
    assert name == "adamw" and reason == "the model was not made by Muon"
    assert chosen_optimizer(job_config("sft", model=str(elsewhere), optimizer="muon"), shape)[0] == "muon"


def test_auto_leaves_muon_where_its_update_would_cost_more_than_the_gradient():
    shape = dataclasses.replace(preset("base-88m"), vocab_size=32_000)
    few = job_config("pretrain", batch_size=1, seq_len=512)
    many = job_config("pretrain", batch_size=32, seq_len=512)
    assert chosen_optimizer(few, shape)[0] == "adamw" and update_share(shape, 512) > 2
    assert chosen_optimizer(many, shape)[0] == "muon"
    assert chosen_optimizer(few, preset("cpu-2m"))[0] == "muon"  # milliseconds either way


def test_batches_drawn_ahead_are_the_same_and_their_state_is_that_of_the_last_one_used(tokenizer):  # noqa: F811
    from fledge.data import PackedBatches, prepare_rows
    from fledge.tokenizer import Tokenizer

    data = prepare_rows(TEXTS, Tokenizer.load(tokenizer), kind="text")

    def rows() -> PackedBatches:
        return PackedBatches(data, seq_len=24, batch_size=2, pad_id=0, crop=True, epochs=2)

    class Unpinned(Prefetch):
        def _draw(self):
            return next(self.batches, None)

    plain = [batch.inputs_BT.tolist() for batch in rows()]
    ahead = Unpinned(rows())
    first = [next(ahead).inputs_BT.tolist() for _ in range(3)]
    state = ahead.state_dict()
    rest = [batch.inputs_BT.tolist() for batch in ahead]
    assert first + rest == plain and ahead.readings == 2.0
    again = Unpinned(rows())
    next(again)
    again.load_state_dict(state)
    assert [batch.inputs_BT.tolist() for batch in again] == rest
