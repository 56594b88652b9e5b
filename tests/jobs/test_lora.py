"""`lora` and `qlora`: only the adapter is trained, kept and resumed, and the run's folder is a model to whoever names it."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from fledge import api
from fledge.cli import main
from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model
from fledge.records import Run
from tests.jobs.test_fit import SHAPE, pretrain, tokenizer  # noqa: F401 (a fixture)

CHATS = [
    {"conversations": [{"role": "user", "content": f"{who}?"}, {"role": "assistant", "content": f"I am {name}."}]}
    for who, name in (("who", "red"), ("what", "blue"), ("你是谁", "猫"))
] * 8


@pytest.fixture
def base(tokenizer):  # noqa: F811
    return pretrain(tokenizer, run="base", set=SHAPE)


def train(job: str, run: str, **changes) -> Run:
    settings = {"steps": 8, "seq_len": 48, "batch_size": 4, "precision": "fp32", "rank": 4, "save_every": 2, "lr": 0.02}
    rows = {"rows": CHATS, "val_rows": CHATS[:3]}
    return api.train(job, **rows, run=run, **{**settings, "model": "base", **changes})


@pytest.mark.parametrize(
    ("job", "changes"),
    [
        ("lora", {}),
        ("lora", {"dora": True, "dropout": 0.3}),
        ("qlora", {"dropout": 0.1}),
        ("lora", {"precision": "bf16"}),
    ],
)
def test_a_run_that_was_killed_ends_with_the_same_bits(base, job, changes):
    whole = train(job, "whole", **changes)
    first = [line["loss"] for line in whole.metrics() if "loss" in line]
    assert first[-1] < 0.9 * first[0]
    saved = load_file(whole.checkpoints_dir / "step-8" / "state.safetensors")
    names = [name for name in saved if name.startswith("model.")]
    assert names and all("lora_" in name for name in names)  # a checkpoint holds what is trained
    shutil.rmtree(whole.checkpoints_dir / "step-8")
    whole.update(status="running")
    again = train(job, "whole", resume=True, **changes)
    other = load_file(again.checkpoints_dir / "step-8" / "state.safetensors")
    assert all(torch.equal(saved[name], other[name]) for name in saved)
    assert [line["loss"] for line in again.metrics() if "loss" in line] == first


def test_accumulated_halves_are_one_step(base):
    whole = train("lora", "one", batch_size=4, schedule="constant")
    halves = train("lora", "two", batch_size=2, accumulation_steps=2, schedule="constant")
    a, b = (load_file(run.model_dir / "adapter_model.safetensors") for run in (whole, halves))
    assert all((a[name] - b[name]).abs().max() < 1e-4 for name in a)


@pytest.mark.parametrize("job", ["lora", "qlora"])
def test_the_folder_is_small_and_works_like_a_model(base, job, capsys, tmp_path):
    run = train(job, "mine")
    assert not (run.model_dir / "config.json").exists()
    assert (run.model_dir / "adapter_model.safetensors").stat().st_size < (
        base.model_dir / "model.safetensors"
    ).stat().st_size
    assert run.info["model"]["num_parameters"]["trained"] == sum(
        tensor.numel() for tensor in load_file(run.model_dir / "adapter_model.safetensors").values()
    )
    assert ModelConfig.load(run.model_dir) == ModelConfig.load(base.model_dir)
    lm = api.load("mine")
    ids = torch.tensor([lm.prompt([{"role": "user", "content": "who?"}])])
    plain = load_model(base.model_dir)
    assert (lm.model(ids) - plain(ids)).abs().max() > 0.1
    assert main(["runs", "check", "mine"]) == 0
    assert main(["adapters", "merge", "mine", "--out", str(tmp_path / "merged")]) == 0
    assert torch.equal(api.load(tmp_path / "merged").model(ids), lm.model(ids))
    assert torch.equal(api.load("base", adapters=["mine"]).model(ids), lm.model(ids))
    capsys.readouterr()
    assert main(["adapters", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["run"] == "mine" and row["r"] == 4 and row["quantised"] == (job == "qlora")
    assert main(["adapters", "list"]) == 0
    assert "mine" in capsys.readouterr().out


def test_what_follows_starts_from_the_adapted_model(base):
    train("lora", "first")
    after = train("lora", "second", lr=0.0, steps=2)
    assert after.info["config"]["model"] == "base"
    second = train("lora", "third", model="first", lr=1e-9, steps=1)
    a, b = (api.load(name).model.state_dict() for name in ("first", second.name))
    assert all((a[name] - b[name]).abs().max() < 1e-5 for name in a)


def test_another_base_is_refused(base):
    train("lora", "mine")
    weights = load_file(base.model_dir / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, base.model_dir / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"the weights in '.*base/model' are others"):
        api.load("mine")
    with pytest.raises(UserError, match="the model it was started from has changed since"):
        train("lora", "mine", resume=True, steps=10)
    with pytest.raises(UserError, match="'base' is a whole model and no adapter"):
        api.load("base", adapters=["base"])


def test_settings_that_cannot_be_are_one_sentence(base):
    for changes, said in (
        ({"rank": 0}, "--rank is 0; it must be at least 1"),
        ({"dropout": 1.0}, r"--dropout is 1\.0; it must be from 0 to below 1"),
        ({"targets": ["c_attn"]}, "no linear layer 'c_attn'"),
        ({"model": None}, "starts from a trained model"),
    ):
        with pytest.raises(UserError, match=said):
            train("lora", "refused", **changes)


def test_chat_puts_an_adapter_on_a_model(base, monkeypatch, capsys):
    train("lora", "mine")
    said = api.load("base", adapters=["mine"]).generate([{"role": "user", "content": "who?"}], temperature=0.0)
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    monkeypatch.setattr("builtins.input", iter_input(["who?"]))
    assert main(["chat", "base", "--adapter", "mine", "--temperature", "0"]) == 0
    assert capsys.readouterr().out == f"> who?\n{said}\n"


def iter_input(lines: list[str]):
    left = iter(lines)

    def read(prompt: str = "") -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    return read


def test_dropout_too_follows_the_seed(base):
    one, again, other = (train("lora", name, dropout=0.3, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    losses = [[row["loss"] for row in run.metrics() if "loss" in row] for run in (one, again, other)]
    assert losses[0] == losses[1] != losses[2]
