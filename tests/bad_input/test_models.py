"""Models and tokenizers that are missing, broken, or not of one family, at every verb that takes a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from fledge.cli import main
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from tests.bad_input.conftest import FAST, TEXT, lines, talk


@pytest.fixture
def folder(runs, tmp_path):
    """folder(**changes): a copy of the model; a change is new content of a file, None to delete it, or a function of it."""

    def copy(**changes) -> Path:
        target = tmp_path / "model"
        shutil.copytree(runs / "mine" / "model", target)
        for name, change in changes.items():
            path = target / {"config": "config.json", "weights": "model.safetensors"}.get(name, f"{name}.json")
            if change is None:
                path.unlink()
            elif callable(change):
                change(path)
            else:
                path.write_bytes(change)
        return target

    return copy


def config(**changes):
    def change(path: Path) -> None:
        data = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps(data), encoding="utf-8")

    return change


def tokenizer(size: int, text: str = TEXT):
    return lambda path: Tokenizer.train([text], size).save(path.parent)


MODEL_VERBS = {
    "generate": ["generate", "MODEL", "the cat", "--device", "cpu"],
    "chat": ["chat", "MODEL", "--device", "cpu"],
    "eval": ["eval", "MODEL", "--world", "tiny", "--device", "cpu"],
    "export": ["export", "hf", "MODEL", "--out", "exported"],
    "sft": ["train", "sft", "--data", "chats.jsonl", "--model", "MODEL", *FAST],
    "pretrain": ["train", "pretrain", "--data", "good.txt", "--model", "MODEL", *FAST],
}


@pytest.fixture
def refused_by_all(refused, file):
    """Every verb that takes a model refuses this one with one and the same kind of sentence."""

    def call(model, said: str) -> None:
        file("chats.jsonl", lines(*[talk()] * 20))
        file("good.txt", TEXT.encode())
        for words in MODEL_VERBS.values():
            assert said in refused(*[model if word == "MODEL" else word for word in words]), words

    return call


def test_a_model_that_is_not_there(refused_by_all, refused, tmp_path):
    refused_by_all("mien", "no run 'mien'")
    assert "Did you mean 'mine'?" in refused("generate", "mien", "x")
    refused_by_all(tmp_path, "has no config.json, so it is not a model folder")
    refused_by_all("good.txt", "'good.txt' is a file, and a model is a folder")
    assert "no model was named" in refused("generate", "", "x")
    refused_by_all("nobody/nothing", "is no run and no folder here")


def test_a_run_without_a_model_yet(refused_by_all, runs):
    Run.create("pretrain", {}, "begun", root=runs)
    refused_by_all("begun", "run 'begun' has no model yet (its status is running)")


def test_a_tokenizer_of_another_model(refused_by_all, refused, folder, file):
    model = folder(tokenizer=tokenizer(400, TEXT + " ".join(f"wort{i} wort{i}" for i in range(99))))
    refused_by_all(model, "they do not belong together")
    words = [
        "train",
        "sft",
        "--data",
        file("c.jsonl", lines(*[talk()] * 9)),
        "--model",
        "mine",
        "--tokenizer",
        model,
        *FAST,
    ]
    assert "leave --tokenizer out to use the model's own" in refused(*words)


def test_weights_of_another_shape(refused_by_all, folder):
    refused_by_all(folder(config=config(hidden_size=128)), "has shape [300, 64] but config.json says [300, 128]")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"config": config(vocab_size=400)}, "the weights are for a vocabulary of 300"),
        ({"config": config(intermediate_size=65)}, "mlp.gate_proj.weight' has shape [64, 64] but config.json says [65, 64]"),
        ({"config": config(num_hidden_layers=2)}, "'model.layers.1.input_layernorm.weight' is missing. Check num_hidden_layers"),
        ({"config": config(num_hidden_layers="two")}, "config.json: num_hidden_layers must be a whole number, not 'two'"),
        ({"config": config(head_dim=33)}, "config.json: head_dim is 33; it must be even"),
        ({"config": config(model_type="llama")}, "set model_type to qwen3"),
        ({"config": config(model_type="gpt2")}, "model_type 'gpt2' is not one of qwen3"),
        ({"config": config(model_type="qwen3_moe", num_experts=4, moe_intermediate_size=32)}, "is a mixture of experts"),
        ({"config": config(rope_scaling={"rope_type": "llama3"})}, "rope_scaling of type 'llama3' needs 'factor'"),
        ({"config": b"{"}, "config.json is not valid JSON"),
        ({"config": b"[]"}, "config.json holds no JSON object"),
        ({"weights": None}, "has no .safetensors file"),
        ({"weights": b""}, "model.safetensors is damaged or incomplete"),
        ({"weights": lambda path: path.write_bytes(path.read_bytes()[:-9])}, "model.safetensors is damaged or incomplete"),
        ({"weights": lambda path: save_file({k: v / 0 for k, v in load_file(path).items()}, path)}, "holds nan or infinity"),
        ({"tokenizer": None}, "holds no tokenizer.json"),
        ({"tokenizer": b'{"a": 1}'}, "tokenizer.json cannot be read as a tokenizer"),
        ({"tokenizer_config": b"{"}, "tokenizer_config.json is not valid JSON"),
        ({"tokenizer_config": b"[]"}, "tokenizer_config.json holds no JSON object"),
    ],
)  # fmt: skip
def test_a_broken_model_folder(refused, folder, changes, said):
    assert said in refused("generate", folder(**changes), "the cat")


def test_a_model_without_a_chat_template(refused, folder):
    model = folder()
    (model / "chat_template.jinja").unlink()
    for words in (["chat", model], ["generate", model, "hi", "--chat"], ["eval", model, "--world", "tiny"]):
        assert "no chat template" in refused(*words)
    assert main(["generate", str(model), "the cat", "--max-new-tokens", "2"]) == 0
