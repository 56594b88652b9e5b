"""`fledge generate` and `fledge chat` from the command line, with a tiny model in a folder."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fledge import api, device
from fledge.cli import main
from fledge.generate import Generator
from fledge.model.folder import save_model
from fledge.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_model):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer.train(["hello world, 你好世界"] * 30, 290)
    save_model(make_model(vocab_size=tokenizer.vocab_size), folder)
    tokenizer.save(folder)
    return str(folder)


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_json_says_everything_and_a_seed_repeats_it(folder, capsys):
    words = ["generate", folder, "hello", "--n", "3", "--seed", "4", "--max-new-tokens", "6", "--json"]
    first, second = (json.loads(run(capsys, *words)[1]) for _ in range(2))
    assert first == second
    assert first["prompt_tokens"] == 1 + len(Tokenizer.load(folder).encode("hello"))
    assert len(first["completions"]) == 3 and len({tuple(c["ids"]) for c in first["completions"]}) > 1
    for completion in first["completions"]:
        assert len(completion["ids"]) == len(completion["logprobs"]) <= 6 and max(completion["logprobs"]) <= 0
        assert completion["finish_reason"] in ("stop", "length")


def test_plain_output_is_prompt_and_continuation_and_chat_only_the_answer(folder, capsys, monkeypatch):
    words = ["--temperature", "0", "--max-new-tokens", "8"]
    data = json.loads(run(capsys, "generate", folder, "hello", *words, "--json")[1])
    assert run(capsys, "generate", folder, "hello", *words)[1] == "hello" + data["completions"][0]["text"] + "\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello"))
    assert run(capsys, "generate", folder, "-", *words)[1] == "hello" + data["completions"][0]["text"] + "\n"
    chat = json.loads(run(capsys, "generate", folder, "hello", "--chat", "--system", "be kind", *words, "--json")[1])
    plain = json.loads(run(capsys, "generate", folder, "hello", "--chat", *words, "--json")[1])
    assert chat["prompt_tokens"] > plain["prompt_tokens"] > data["prompt_tokens"]
    assert run(capsys, "generate", folder, "hello", "--chat", *words)[1] == plain["completions"][0]["text"] + "\n"


def test_chat_reads_lines_when_there_is_no_terminal(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n/quit\n"))
    code, out, _ = run(capsys, "chat", folder, "--temperature", "0", "--max-new-tokens", "5")
    assert code == 0 and out.startswith("> hello\n")


def own_manners(folder, **manners):
    path = Path(folder) / "generation_config.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({"eos_token_id": kept["eos_token_id"], **manners}), encoding="utf-8")


def test_the_models_own_settings_stand_below_the_flags(folder, tmp_path, capsys, monkeypatch):
    """A flag wins over the folder even when it says what is usual here."""
    shutil.copytree(folder, tmp_path / "own")
    own_manners(tmp_path / "own", do_sample=True, temperature=0.01, top_k=3, top_p=0.8, repetition_penalty=None)
    seen = []
    stream = Generator.stream
    monkeypatch.setattr(Generator, "stream", lambda self, ids, s: seen.append(s) or stream(self, ids, s))
    for verb, words in (("generate", ["hello"]), ("chat", [])):
        seen.clear()
        for flags in ([], ["--temperature", "0.7", "--top-k=0"]):
            monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n"))
            assert run(capsys, verb, str(tmp_path / "own"), *words, *flags, "--max-new-tokens", "3")[0] == 0
        assert [(s.temperature, s.top_k, s.top_p, s.repetition_penalty) for s in seen] == [
            (0.01, 3, 0.8, 1.0), (0.7, 0, 0.8, 1.0)
        ]  # fmt: skip
        assert {s.max_new_tokens for s in seen} == {3}


def test_beam_search_works_although_the_folder_has_a_top_p(folder, capsys):
    code, out, _ = run(capsys, "generate", folder, "hello", "--num-beams", "2", "--max-new-tokens", "3")
    assert code == 0 and out.startswith("hello")


def test_a_file_that_makes_no_sense_is_refused_by_the_name_of_its_setting(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "odd")
    own_manners(tmp_path / "odd", top_p=7)
    code, _, err = run(capsys, "generate", str(tmp_path / "odd"), "hello")
    assert code == 2 and "top_p must be" in err and err.count("\n") == 1


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_the_precision_is_a_flag(folder, capsys, monkeypatch, precision):
    monkeypatch.setattr(device, "matmul_gflops", lambda _, dtype: {"bfloat16": 2.0, "float32": 1.0}[dtype])
    seen = []
    load = api.load
    monkeypatch.setattr(api, "load", lambda *a, **k: seen.append(load(*a, **k)) or seen[-1])
    assert run(capsys, "generate", folder, "hello", "--precision", precision, "--max-new-tokens", "3")[0] == 0
    assert seen[0].model.compute_dtype == (torch.float32 if precision == "fp32" else torch.bfloat16)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--precision", "fp64"], "precision 'fp64' is unknown"),
        (["--temprature", "1"], "Did you mean '--temperature'?"),
        (["--top-p", "3"], "top_p must be"),
        (["--n", "0"], "--n must be at least 1"),
        (["--system", "x"], "--chat"),
        (["--num-beams", "2", "--top-k", "3"], "Beam search"),
    ],
)
def test_mistakes_get_one_sentence(folder, capsys, words, said):
    code, out, err = run(capsys, "generate", folder, "hello", *words)
    assert code == 2 and out == "" and said in err and err.count("\n") == 1


def test_a_prompt_that_fills_the_context_is_refused(folder, capsys):
    code, _, err = run(capsys, "generate", folder, "zq " * 80)
    assert code == 2 and "context of 64" in err


def test_the_flags_are_known_without_torch():
    code = "import sys, fledge.cli.chat, fledge.cli.eval, fledge.cli.generate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert torch is not None
