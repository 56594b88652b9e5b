"""`train_lora.py` and `eval_llm.py --lora_weight`: MiniMind's LoRA files are written where it looks for them, as it reads them."""

from __future__ import annotations

import pytest
import torch

from fledge.interop.minimind.doors import run
from fledge.interop.minimind.lora import merge_lora
from fledge.interop.minimind.pth import minimind_config, write_pth
from fledge.model.folder import load_model
from fledge.model.transformer import Transformer
from fledge.records import Run
from tests.interop.test_minimind_doors import interrupt_after, repo, script, vocabulary  # noqa: F401 (fixtures)

SHORT = ("--hidden_size", "32", "--max_new_tokens", "6", "--device", "cpu")
DATA = ("--data_path", "../dataset/sft_mini_512.jsonl")


@pytest.fixture
def base(repo):  # noqa: F811
    """Weights of MiniMind's to start from, none of them 0."""
    model = Transformer(minimind_config("v2", 32, 1, vocab_size=300)).init_weights(0)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.add_(torch.empty(parameter.shape).normal_(0, 0.05, generator=generator))
    write_pth(model, repo / "out/full_sft_32.pth")
    return repo


def test_train_then_talk(base, script):  # noqa: F811
    code, said = script("lora", *DATA, "--max_steps", "4", "--from_weight", "full_sft")
    assert code == 0 and "weights: ../out/lora/lora_identity_32.pth" in said
    assert "python eval_llm.py --weight full_sft --lora_weight lora_identity --hidden_size 32" in said
    made = Run.open("minimind-lora_identity_32")
    config = made.info["config"]
    assert (config["rank"], config["alpha"], config["targets"]) == (8, 8.0, ["q_proj", "o_proj"])
    saved = torch.load(base / "out/lora/lora_identity_32.pth", weights_only=True)
    layer = "model.layers.0.self_attn"
    assert {name: list(tensor.shape) for name, tensor in saved.items()} == {
        f"{layer}.{name}.lora.{part}.weight": shape
        for name in ("q_proj", "o_proj")
        for part, shape in (("A", [8, 32]), ("B", [32, 8]))
    }
    assert all(tensor.dtype == torch.float16 for tensor in saved.values())
    # with it the base computes what the run's own model does
    mine, theirs = load_model(made.model_dir), load_model(Run.open(made.name).model_dir)
    merge_lora(base_model := load_model(_base(made)), base / "out/lora/lora_identity_32.pth")
    ids = torch.randint(0, 300, (1, 9))
    assert (base_model(ids) - mine(ids)).abs().max() < 1e-2 and torch.equal(mine(ids), theirs(ids))
    assert (load_model(_base(made))(ids) - mine(ids)).abs().max() > 2e-2
    code, said = script("eval_llm", *SHORT, "--lora_weight", "lora_identity", stdin="1\nred?\n\n")
    assert code == 0 and "lora/lora_identity_32.pth" in said and said.count("🤖") == 1
    code, said = script("eval_llm", *SHORT, "--lora_weight", "mine")
    assert code == 2 and "there are no LoRA weights" in said and "there are lora_identity_32.pth" in said


def _base(made: Run):
    from fledge.adapt.format import base_of

    return base_of(made.model_dir)


def test_the_other_generation_keeps_them_beside_the_weights(base, script):  # noqa: F811
    v3 = ("--compat", "v3", "--lora_name", "lora_medical")
    model = Transformer(minimind_config("v3", 64, 1, vocab_size=300)).init_weights(0)
    write_pth(model, base / "out/full_sft_64.pth")
    code, said = script("lora", *DATA, *v3, "--hidden_size", "64", "--max_steps", "2")
    assert code == 0 and "weights: ../out/lora_medical_64.pth" in said
    saved = torch.load(base / "out/lora_medical_64.pth", weights_only=True)
    assert {tensor.shape[0] for name, tensor in saved.items() if ".A." in name} == {16}
    code, said = script(
        "eval_llm", "--lora_weight", "lora_medical", "--hidden_size", "64", "--max_new_tokens", "4", stdin="1\nred?\n\n"
    )
    assert code == 0, said
    code, said = script("eval_llm", *SHORT, "--lora_weight", "lora_medical")
    assert code == 2  # of another width: there is no such file
    (base / "out/lora_medical_64.pth").rename(base / "out/lora_medical_32.pth")
    code, said = script("eval_llm", *SHORT, "--lora_weight", "lora_medical")
    assert code == 2 and "is not for this model: its layer 'model.layers.0.self_attn" in said


def test_from_resume_goes_on(base, script, monkeypatch):  # noqa: F811
    long = (*DATA, "--max_steps", "6", "--save_interval", "4")
    assert script("lora", *long)[0] == 0
    whole = (base / "out/lora/lora_identity_32.pth").read_bytes()
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)
        code, said = script("lora", *long)
    assert code == 130 and "train_lora.py --from_resume 1 --hidden_size 32" in said
    assert run("lora", str(base / "trainer/train_lora.py"), ["--from_resume", "1", "--hidden_size", "32", *DATA]) == 0
    assert (base / "out/lora/lora_identity_32.pth").read_bytes() == whole
    code, said = script("lora", *DATA, "--lora_name", "other", "--from_resume", "1", "--max_steps", "2")
    assert code == 0 and "name one with --lora_name and --hidden_size" in said
