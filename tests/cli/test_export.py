"""`fledge export hf` writes what transformers reads, and notices when it does not."""

from __future__ import annotations

import json

import pytest
import torch

from fledge.cli import main


@pytest.fixture
def model_folder(tmp_path):
    """A tiny random Qwen3 with a trained tokenizer, as fledge saves one."""
    from fledge.api import LM
    from fledge.model.presets import preset
    from fledge.model.transformer import Transformer
    from fledge.tokenizer import Tokenizer

    tokenizer = Tokenizer.train(["the cat sat on the mat. 猫坐在垫子上。 2 + 3 = 5"] * 20, 400)
    torch.manual_seed(0)
    config = preset("cpu-2m", vocab_size=tokenizer.vocab_size)
    LM(Transformer(config).eval(), tokenizer).save(tmp_path / "model")
    return tmp_path / "model"


def test_without_transformers_it_says_that_it_did_not_check(model_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fledge.interop.hf.have_transformers", lambda: False)
    assert main(["export", "hf", str(model_folder), "--out", str(tmp_path / "out")]) == 0
    assert "not checked" in capsys.readouterr().out
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_a_folder_with_files_is_never_written_into(model_folder, capsys):
    before = sorted(model_folder.iterdir())
    assert main(["export", "hf", str(model_folder), "--out", str(model_folder)]) == 2
    assert "empty folder" in capsys.readouterr().err
    assert sorted(model_folder.iterdir()) == before


@pytest.mark.slow
def test_transformers_agrees_and_a_changed_folder_is_noticed(model_folder, tmp_path, capsys):
    pytest.importorskip("transformers")
    out = tmp_path / "out"
    assert main(["export", "hf", str(model_folder), "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checked"] and report["ok"] and report["same_tokens"] and report["same_prompt"]
    assert report["max_logit_difference"] < 1e-5

    from fledge.api import load
    from fledge.interop.hf import compare

    lm = load(model_folder, device="cpu")
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    changed = config | {"rms_norm_eps": config["rms_norm_eps"] + 0.1}
    (out / "config.json").write_text(json.dumps(changed), encoding="utf-8")
    template = (out / "chat_template.jinja").read_text(encoding="utf-8")
    (out / "chat_template.jinja").write_text("hello " + template, encoding="utf-8")
    agreement = compare(lm, out)
    assert not agreement.ok and agreement.max_logit_difference > 1e-4 and not agreement.same_prompt
