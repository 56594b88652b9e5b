"""`fledge parts list|use|verify`, and --parts on the verbs that load a model."""

from __future__ import annotations

import io
import json
import sys

import pytest
import torch

import fledge
from fledge import api
from fledge.cli import main
from fledge.jobs import runner as jobs
from fledge.parts.table import PARTS
from fledge.records import Run
from tests.cheap import little_quickstart
from tests.parts.conftest import source_of

TEXTS = [f"the {a} cat sat on the {b} mat." for a in ("red", "blue", "old") for b in ("big", "small")] * 5
SHAPE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32}


def parts(*argv: str) -> int:
    """As `fledge parts …`: a mistake is printed and gives 2."""
    return main(["parts", *argv])


def listed(capsys) -> dict[str, dict]:
    assert parts("list", "--json") == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_list_shows_every_part_with_its_state(learner, capsys):
    assert set(listed(capsys)) == set(PARTS)
    learner.write_all("swiglu", "lr_at")
    learner.write("attention", source_of("attention"), passed=False)
    learner.write("swiglu", source_of("swiglu") + "#\n", passed=None)
    rows = listed(capsys)
    assert [rows[name]["state"] for name in ("swiglu", "lr_at", "attention", "sample")] == [
        "changed",
        "passed",
        "failing",
        "not started",
    ]
    assert [name for name, row in rows.items() if row["used"]] == ["lr_at"]
    assert parts("list") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in PARTS) and f"1 of {len(PARTS)} parts are yours" in out
    assert "check attention: fledge check attention" in out


def test_list_in_chinese(learner, capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    learner.write_all("swiglu")
    assert parts("list") == 0
    out = capsys.readouterr().out
    assert f"{len(PARTS)} 个部件里有 1 个是你的" in out and "通过后又改过" not in out and "已通过" in out
    assert "写下一个：fledge exercise start rms_norm" in out and "yours" not in out


def test_use_chooses_among_those_that_passed(learner, capsys):
    learner.write_all("swiglu", "lr_at", "sample")
    assert parts("use", "swiglu", "sample") == 0
    assert f"2 of {len(PARTS)} parts are yours" in capsys.readouterr().out
    rows = listed(capsys)
    assert [name for name, row in rows.items() if row["used"]] == ["swiglu", "sample"]
    assert parts("use", "--none", "--json") == 0
    assert not any(row["used"] for row in json.loads(capsys.readouterr().out))
    assert parts("use", "--all") == 0 and f"3 of {len(PARTS)} parts are yours" in capsys.readouterr().out
    for argv in ([], ["swiglu", "--all"], ["--all", "--none"]):
        assert parts("use", *argv) == 2
        assert "takes the names of parts, or --all, or --none" in capsys.readouterr().err
    assert parts("use", "rms_norm") == 2
    assert "rms_norm cannot be used, it is not started" in capsys.readouterr().err


def test_verify_prints_the_numbers_and_fails_for_a_wrong_part(learner, capsys):
    assert parts("verify") == 2
    assert "no part is yours yet" in capsys.readouterr().err
    assert parts("verify", "swiglu") == 2
    assert "begin with `fledge exercise start swiglu`" in capsys.readouterr().err
    learner.write_all("swiglu", "clip_gradients")
    assert parts("verify", "--precision", "bf16", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["part"] for row in rows} == {"swiglu", "clip_gradients"}
    assert {row["dtype"] for row in rows if row["part"] == "swiglu"} == {"float32", "bfloat16"}
    assert all(row["difference"] <= row["allowed"] and not row["wrong"] for row in rows)
    assert any(row["difference"] > 0 for row in rows)  # two ways of computing: something was compared
    learner.write("rms_norm", source_of("rms_norm").replace(" + eps", ""), passed=False)
    assert parts("verify", "rms_norm", "--precision", "fp32") == 1
    out = capsys.readouterr().out
    assert "✗" in out and "✓" in out and "0 parts agree" in out and "✗ rms_norm ([2, 24, 256], small numbers" in out
    assert parts("verify", "swiglu", "--preset", "moe-8m") == 0
    assert "1 part agrees with the reference" in capsys.readouterr().out


@pytest.fixture
def model(learner) -> str:
    run = fledge.train("pretrain", rows=TEXTS, steps=12, seq_len=32, batch_size=4, tokenizer=tokenizer(learner),
                       precision="fp32", set=SHAPE, run="talker")  # fmt: skip
    return run.name


def tokenizer(learner) -> str:
    from fledge.tokenizer import Tokenizer

    folder = learner.space.root / "tokenizer"
    Tokenizer.train(TEXTS, 300).save(folder)
    return str(folder)


def test_models_run_on_the_learners_parts(learner, model, capsys, monkeypatch, tmp_path):
    words = ["generate", model, "the red", "--seed", "3", "--max-new-tokens", "8"]
    assert main([*words, "--parts", "mine"]) == 2
    assert "no part is yours yet (--parts mine)" in capsys.readouterr().err
    assert main(words) == 0
    plain = capsys.readouterr()
    assert "parts" not in plain.err
    learner.write_all("rms_norm", "sample")
    assert main([*words, "--parts", "mine"]) == 0
    mine = capsys.readouterr()
    assert mine.out == plain.out and "parts: 2 of 6 are yours: rms_norm, sample" in mine.err
    text = tmp_path / "text.txt"
    text.write_text("the old cat sat on the small mat.", encoding="utf-8")
    assert main(["eval", model, "--text", str(text), "--json", "--parts", "mine"]) == 0
    said = capsys.readouterr()
    assert "2 of 6 are yours" in said.err and json.loads(said.out)["text"]
    chats = [{"messages": [{"role": "user", "content": "cat?"}, {"role": "assistant", "content": "it sat."}]}] * 20
    tuned = fledge.train(
        "sft", rows=chats, model=model, steps=2, seq_len=32, batch_size=4, precision="fp32", run="tuned"
    )
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n"))
    assert main(["chat", tuned.name, "--parts", "mine", "--max-new-tokens", "4"]) == 0
    assert "2 of 6 are yours" in capsys.readouterr().err
    learner.write("rms_norm", source_of("rms_norm").replace("x.dtype) * weight", "x.dtype) * 2 * weight"))
    assert main([*words, "--parts", "mine"]) == 2
    assert "your rms_norm failed (rms_norm.py): it differs from the reference" in capsys.readouterr().err
    assert main([*words, "--parts", "mine", "--parts-fallback"]) == 0
    said = capsys.readouterr()
    assert said.out == plain.out and "1 of 6 are yours: sample" in said.err


def test_train_takes_the_flag(learner, capsys, tmp_path):
    learner.write_all("swiglu")
    data = tmp_path / "data.txt"
    data.write_text("\n".join(TEXTS), encoding="utf-8")
    flags = ["--data", str(data), "--steps", "3", "--seq-len", "32", "--precision", "fp32", "--run", "typed",
             "--tokenizer", tokenizer(learner), "--set", "hidden_size=64", "num_hidden_layers=1"]  # fmt: skip
    assert main(["train", "pretrain", *flags, "--parts", "mine"]) == 0
    assert f"parts: 1 of {len(PARTS)} are yours: swiglu" in capsys.readouterr().out
    assert list(Run.open("typed").info["parts"]["yours"]) == ["swiglu"]
    tired = source_of("swiglu") + "\n\nright, CALLS = swiglu, []\n\n\ndef swiglu(gate, up):\n    CALLS.append(1)\n"
    learner.write("swiglu", tired + "    return right(gate, up) if len(CALLS) < 9 else None\n")
    flags[flags.index("typed")] = "tired"
    assert main(["train", "pretrain", *flags, "--parts", "mine"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: your swiglu failed") and "`fledge train pretrain --run tired --resume`" in said
    learner.write_all("swiglu")
    assert main(["train", "pretrain", "--run", "tired", "--resume"]) == 0
    assert Run.open("tired").info["status"] == "done"


def test_help_names_the_subverbs(capsys):
    assert parts("--help") == 0
    out = capsys.readouterr().out
    assert all(words in out for words in ("list", "use", "verify", "takes its place"))


def test_the_quickstart_says_at_once_that_nothing_is_yours(learner, capsys):
    assert main(["quickstart", "--parts", "mine"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "no part is yours yet" in said.err


@pytest.mark.slow
def test_every_stage_of_the_quickstart_takes_the_flag_with_the_losses_of_the_reference(learner, monkeypatch, capsys):
    little_quickstart(monkeypatch, text_bytes=60_000, pretrain_steps=10, sft_steps=10)
    monkeypatch.setattr(jobs, "pick_precision", lambda *_: torch.float32)
    learner.write_all(by="book")
    assert main(["quickstart", "--size", "tiny"]) == 0
    assert "parts:" not in capsys.readouterr().out
    sources = []
    load = api.load
    monkeypatch.setattr(api, "load", lambda *args, **settings: (sources.append(settings), load(*args, **settings))[1])
    assert main(["quickstart", "--size", "tiny", "--parts", "mine", "--parts-fallback"]) == 0
    assert capsys.readouterr().out.count(f"parts: {len(PARTS)} of {len(PARTS)} are yours") == 2
    assert sources == [{"parts": "mine", "parts_fallback": True}] * 3  # after both stages, and for the conversation
    for job in ("pretrain", "sft"):
        runs = (Run.open(f"quickstart-{job}"), Run.open(f"quickstart-{job}-2"))
        reference, mine = ([line["loss"] for line in run.metrics() if "loss" in line] for run in runs)
        assert len(mine) == 10 and mine == pytest.approx(reference, abs=1e-4) and mine[-1] < 0.9 * mine[0]
