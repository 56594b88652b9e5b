"""What cannot be imported is said in one sentence, and nothing is left behind."""

from __future__ import annotations

import random
import sys
import types

import numpy as np
import pytest

from fledge.cli import main
from fledge.errors import UserError
from fledge.interop.gguf import folder as importing
from fledge.interop.gguf.folder import import_gguf
from fledge.model.source import find_model
from tests.interop.gguf_files import random_model, trained, write_gguf


@pytest.fixture(scope="module")
def core():
    return trained()


@pytest.fixture(scope="module")
def model():
    return random_model("llama")


@pytest.fixture(scope="module")
def whole(core, model, tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("whole") / "tiny.gguf", model, core)


def refused(path, said, capsys) -> None:
    """`fledge import gguf` says it in one line, with exit code 2, and the folder of the file is as before."""
    before = sorted(path.parent.rglob("*"))
    assert main(["import", "gguf", str(path), "--out", str(path.parent / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error
    assert sorted(path.parent.rglob("*")) == before


ODD = {
    "architecture 'gemma3'; llama, qwen2, qwen3": {"general.architecture": "gemma3"},
    "a mixture of experts": {"llama.expert_count": 8},
    "one of 2 pieces": {"split.count": 2},
    "RoPE turns in part": {"llama.rope.dimension_count": 8},
    "llama.attention.head_count as one number": {"llama.attention.head_count": [4, 4]},
    "scaling of RoPE": {"llama.rope.scaling.type": "longrope"},
    "tokenizer of kind 'llama'": {"tokenizer.ggml.model": "llama"},
    "by the rule 'shakespeare'; default, gpt-2": {"tokenizer.ggml.pre": "shakespeare"},
    "its tokens are not all different": {"tokenizer.ggml.tokens": ["a"] * 640},
    "has 641 tokens, and its model is for 640": {
        "tokenizer.ggml.tokens": [*(f"t{id}" for id in range(640)), "t1t2"],
        "tokenizer.ggml.token_type": [3] * 641,
        "tokenizer.ggml.merges": ["t1 t2"],
    },
    "out of vocabulary": {"tokenizer.ggml.merges": ["a nosuchtoken"]},
}


@pytest.mark.parametrize("said", ODD)
def test_a_model_of_another_kind(said, core, model, tmp_path, capsys):
    refused(write_gguf(tmp_path / "odd.gguf", model, core, facts=ODD[said]), said, capsys)


def test_tensors_that_are_not_the_model_s(core, model, tmp_path, capsys):
    name = "blk.1.ffn_up.weight"
    refused(write_gguf(tmp_path / "a.gguf", model, core, drop=[name]), f"'{name}' is missing", capsys)
    more = {"blk.0.attn_sinks.weight": model.model.norm.weight.detach().numpy()}
    refused(write_gguf(tmp_path / "b.gguf", model, core, extra=more), "'blk.0.attn_sinks.weight' has no place", capsys)
    other = {name: model.model.embed_tokens.weight.detach().numpy()}
    refused(
        write_gguf(tmp_path / "c.gguf", model, core, extra=other),
        "has shape [640, 64], and should have [96, 64]",
        capsys,
    )


def test_factors_of_frequencies_that_are_not_llama_s(core, model, tmp_path, capsys):
    factors = {"rope_freqs.weight": np.linspace(1, 7, 8, dtype=np.float32)}
    refused(write_gguf(tmp_path / "a.gguf", model, core, extra=factors), "scaling of RoPE", capsys)


def test_what_is_no_gguf(tmp_path, capsys):
    (tmp_path / "text.gguf").write_text("hello", encoding="utf-8")
    refused(tmp_path / "text.gguf", "is no GGUF file", capsys)
    (tmp_path / "old.gguf").write_bytes(b"GGUF" + (1).to_bytes(4, "little") + bytes(16))
    refused(tmp_path / "old.gguf", "version 1", capsys)
    refused(tmp_path / "none.gguf", "there is no file", capsys)


def test_cut_short_anywhere(whole, tmp_path):
    content = whole.read_bytes()
    for size in [5, 9, 30, 200, *range(1000, len(content), len(content) // 40), len(content) - 1]:
        (tmp_path / "cut.gguf").write_bytes(content[:size])
        with pytest.raises(UserError, match="is cut short"):
            import_gguf(tmp_path / "cut.gguf", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.gguf"]


def test_bytes_that_changed_in_the_header_are_never_a_traceback(whole, tmp_path):
    chance, content = random.Random(0), whole.read_bytes()
    for number in range(200):
        torn = bytearray(content)
        for _ in range(3):
            torn[chance.randrange(4, 1200 if number % 2 else 12000)] = chance.randrange(256)
        (tmp_path / "torn.gguf").write_bytes(torn)
        try:
            import_gguf(tmp_path / "torn.gguf", tmp_path / f"out{number}")
        except UserError as error:
            assert "\n" not in str(error)


def test_quantised_without_the_package(core, model, tmp_path, capsys, monkeypatch):
    path = write_gguf(tmp_path / "a.gguf", model, core, kind="Q8_0")
    plain = write_gguf(tmp_path / "b.gguf", model, core)
    monkeypatch.setitem(sys.modules, "gguf", None)
    refused(path, "needs gguf: run  pip install gguf", capsys)
    import_gguf(plain, tmp_path / "out")  # there is nothing to dequantise


def test_a_disk_that_is_too_full(whole, tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.gguf"
    path.write_bytes(whole.read_bytes())
    monkeypatch.setattr("shutil.disk_usage", lambda place: types.SimpleNamespace(free=10**6))
    refused(path, "make room", capsys)


def test_a_crash_in_the_middle_leaves_nothing(whole, tmp_path, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(importing, "write_weights", crash)
    with pytest.raises(KeyboardInterrupt):
        import_gguf(whole, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_where_it_is_written(whole, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for words, folder in (([], "tiny"), (["--out", "empty"], "empty"), (["--out", "new/deep"], "new/deep")):
        assert main(["import", "gguf", str(whole), *words]) == 0
        assert folder in capsys.readouterr().out and (tmp_path / folder / "config.json").is_file()
    assert main(["import", "gguf", str(whole)]) == 2
    assert "new or empty folder" in capsys.readouterr().err


def test_a_gguf_named_as_a_model_says_how_to_import_it(whole):
    with pytest.raises(UserError, match="fledge import gguf"):
        find_model(whole)
