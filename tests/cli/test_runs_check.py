"""`fledge runs check`: what it prints in both languages, its JSON, and its exit codes."""

from __future__ import annotations

import json
import math
import re

import pytest

from fledge.cli import main
from fledge.records import Run


def made_up(name: str, *, lr: float = 0.025, up: bool = False) -> Run:
    run = Run.create("pretrain", {"steps": 40, "seq_len": 8, "batch_size": 2, "accumulation_steps": 1, "lr": lr}, name)
    run.update(landmarks={"start": math.log(400), "floor": 1.0}, model={"vocab_size": 400})
    for step in range(41):
        loss = 6 * (step + 1) ** -0.25 if not up else 6 + step / 10
        if step:
            run.log(step=step, tokens=16 * step, loss=loss, grad_norm=1.0, tokens_per_second=100)
        if step % 10 == 0:
            run.log(step=step, tokens=16 * step, val_loss=loss, val_bpb=loss / 1.5)
    run.finish()
    return run


@pytest.mark.parametrize(("lang", "words"), [("zh", ["正常", "没有发现问题", "一无所知"]), ("en", ["normal", "ln V"])])
def test_a_sound_run(capsys, monkeypatch, lang, words):
    monkeypatch.setenv("FLEDGE_LANG", lang)
    made_up("sound")
    assert main(["runs", "check", "sound"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in words), out
    assert ("5.991" in out) and (lang == "zh" or not re.search("[一-鿿]", out))


def test_a_broken_run_says_what_to_do(capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    made_up("blown", lr=2.5, up=True)
    assert main(["runs", "check", "blown"]) == 1
    out = capsys.readouterr().out
    assert "broken: The run diverged" in out and "100 times the usual 0.025" in out
    assert "what to do: Lower --lr" in out


@pytest.mark.parametrize(
    ("name", "far_off", "usual"),
    [
        ("plain", "Lower --lr: the usual", "Take a third of the learning rate or twice the --warmup;"),
        ("minimind-pretrain_512", "Lower --learning_rate: the usual", "Take a third of the learning rate;"),
    ],
)
def test_advice_is_in_the_words_of_the_command_that_began_the_run(capsys, monkeypatch, name, far_off, usual):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    for lr, words in ((2.5, far_off), (0.025, usual)):
        run = made_up(name, lr=lr, up=True)
        assert main(["runs", "check", run.name]) == 1
        assert f"what to do: {words}" in capsys.readouterr().out


def test_json(capsys):
    made_up("blown", up=True)
    assert main(["runs", "check", "blown", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["verdict"] == "broken" and shown["findings"][0]["name"] == "diverged"
    assert shown["landmarks"][0]["value"] == pytest.approx(math.log(400)) and shown["step"] == 40


def test_a_run_with_nothing_in_it_cannot_be_told(capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    Run.create("data", {}, "nothing")
    assert main(["runs", "check", "nothing"]) == 0
    assert "看不出" in capsys.readouterr().out


def test_mistakes(capsys):
    made_up("sound")
    assert main(["runs", "check", "sond"]) == 2
    assert "Did you mean 'sound'" in capsys.readouterr().err
    assert main(["runs", "check"]) == 2
    assert "is missing" in capsys.readouterr().err
