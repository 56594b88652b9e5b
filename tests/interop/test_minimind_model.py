"""The doors under MiniMind's names: `model/model_minimind.py` and `scripts/convert_model.py`."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from fledge.errors import UserError
from fledge.interop.minimind.doors import run
from fledge.interop.minimind.model import MiniMindConfig, MiniMindForCausalLM
from fledge.interop.minimind.pth import write_pth
from fledge.model.folder import load_model
from fledge.model.presets import preset
from fledge.model.transformer import Transformer
from tests.conftest import ROOT
from tests.interop.test_minimind_pth import VOCAB, clone, random_model  # noqa: F401 (clone is a fixture)

DOORS = ["model/model_minimind.py", "scripts/convert_model.py"]


def test_its_defaults_and_arguments():
    assert MiniMindConfig() == preset("minimind-3")
    assert MiniMindConfig(use_moe=True) == preset("minimind-3-moe")
    assert MiniMindConfig(hidden_size=512, compat="v2") == preset("minimind2-small")
    assert MiniMindConfig(dropout=0.0, flash_attn=False, num_experts_per_tok=2).num_experts_per_tok == 2
    assert MiniMindConfig(num_attention_heads=4, num_key_value_heads=2).head_dim == 192
    with pytest.raises(UserError, match=r"dropout is 0.0 in every MiniMind"):
        MiniMindConfig(dropout=0.1)
    with pytest.raises(UserError, match=r"no field 'hiden_size'. Did you mean 'hidden_size'"):
        MiniMindConfig(hiden_size=512)
    with pytest.raises(UserError, match="shared expert"):
        MiniMindConfig(512, 8, True, compat="v2")


def test_inference_rope_scaling_is_its_yarn():
    """Its formula, written out: fast dimensions keep their frequency, slow ones turn 16 times slower; cos and sin unscaled."""
    config = MiniMindConfig(inference_rope_scaling=True)
    model = Transformer(config)
    dim = config.head_dim
    low, high = (dim * math.log(2048 / (turns * 2 * math.pi)) / (2 * math.log(1e6)) for turns in (32, 1))
    low, high = math.floor(low), math.ceil(high)
    for i, frequency in enumerate(model.inv_freq.tolist()):
        ramp = min(max((i - low) / (high - low), 0), 1)
        assert frequency == pytest.approx(1e6 ** (-2 * i / dim) * (1 - ramp + ramp / 16), rel=1e-5)
    assert model.rope_factor == 1.0


def convert(words: list[str]) -> int:
    return run("convert_model", str(ROOT / "scripts/convert_model.py"), words)


@pytest.mark.parametrize("use_moe", [False, True])
def test_it_is_called_as_minimind_is(use_moe):
    model = MiniMindForCausalLM(MiniMindConfig(64, 2, use_moe, vocab_size=VOCAB))
    ids = torch.arange(60).view(2, 30)
    labels = ids.clone()
    labels[0, 10:] = -100
    out = model(ids, labels=labels)
    expected = F.cross_entropy(out.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    assert out.logits.shape == (2, 30, VOCAB) and torch.equal(out.loss, expected)
    (out.loss + out.aux_loss).backward()
    assert (out.aux_loss > 0) == use_moe
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.eval()(ids).loss is None and model(ids).aux_loss == 0


def test_a_pth_loads_into_it_strictly(tmp_path):
    config = MiniMindConfig(64, 2, vocab_size=VOCAB)
    theirs = random_model(config)
    write_pth(theirs, tmp_path / "a.pth")
    model = MiniMindForCausalLM(config)
    model.load_state_dict(torch.load(tmp_path / "a.pth", weights_only=True), strict=True)
    ids = torch.arange(30).view(1, 30)
    assert torch.equal(model.eval()(ids).logits, theirs(ids))


def test_convert_both_ways(clone, capsys):  # noqa: F811
    model = random_model(MiniMindConfig(64, 2, vocab_size=VOCAB))
    write_pth(model, "out/full_sft_64.pth")
    assert convert(["out/full_sft_64.pth", "hf"]) == 0
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in (clone / "hf").iterdir()}
    assert torch.equal(load_model("hf").lm_head.weight, model.lm_head.weight)
    assert convert(["hf", "out/back_64.pth"]) == 0
    written, again = (torch.load(f"out/{name}_64.pth", weights_only=True) for name in ("full_sft", "back"))
    assert written.keys() == again.keys() and all(torch.equal(written[name], again[name]) for name in written)
    assert convert(["--help"]) == 0
    for words, said in {
        ("hf",): "OUT (the folder, or the .pth, to write; it must be new) is missing",
        ("hf", "out/back_64.pth"): "'out/back_64.pth' is there already",
        ("out/full_sft_512.pth", "new"): "in 'out' there are back_64.pth, full_sft_64.pth",
    }.items():
        capsys.readouterr()
        assert convert(list(words)) == 2
        assert said in capsys.readouterr().err
    assert not (clone / "new").exists()


@pytest.mark.parametrize("door", DOORS)
def test_a_door_without_fledge_says_what_to_run(door):
    code = f"import runpy, sys; sys.modules['fledge.interop'] = sys.modules['fledge'] = None; runpy.run_path({door!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "python start.py" in done.stderr and "Traceback" not in done.stderr


def test_the_doors_open_from_any_folder(tmp_path):
    help = [sys.executable, str(ROOT / "scripts/convert_model.py"), "--help"]
    done = subprocess.run(help, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and "MODEL" in done.stdout, done.stderr
    code = "import torch; from model.model_minimind import MiniMindConfig as C, MiniMindForCausalLM as M; print(M(C(64, 1)).config)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert "qwen3" in done.stdout, done.stderr
