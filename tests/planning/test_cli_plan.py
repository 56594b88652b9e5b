"""`fledge plan`: readable in two languages at 80 columns, exact as JSON, one sentence for every mistake."""

from __future__ import annotations

import json

import pytest

import fledge
from fledge.cli import main
from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.planning import measure
from fledge.planning.budget import vocabulary
from fledge.records import Run


@pytest.fixture(autouse=True)
def no_measurement(monkeypatch, cpu):
    """This machine is the machine of the fixture."""
    monkeypatch.setattr(measure, "this_machine", lambda *args, **kwargs: cpu)
    monkeypatch.setattr(measure, "time_step", lambda *args, **kwargs: pytest.fail("measured"))


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("words", [["pretrain"], ["sft"], ["pretrain", "--cards", "--price", "1.5"]])
def test_tables_fit_the_screen(words, columns, lang, monkeypatch, capsys):
    from rich.cells import cell_len

    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FLEDGE_LANG", lang)
    assert main(["plan", *words]) == 0
    out = capsys.readouterr().out
    assert max(cell_len(line.rstrip()) for line in out.splitlines()) <= int(columns)
    assert "…" not in out.replace("fledge train", "").split("--profile")[0] or "--cards" not in words
    for profile in ("保守", "标准", "激进") if lang == "zh" else ("conservative", "standard", "aggressive"):
        assert profile in out
    if "--cards" in words:
        assert all(card in out for card in ("RTX 3050 4GB", "RTX 3050 6GB", "RTX 3050 8GB", "12GB", "24GB", "a CPU"))


def test_json_has_all_profiles_in_numbers(capsys):
    assert main(["plan", "pretrain", "--card", "8", "--price", "2", "--epochs", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["profile"] for row in found] == ["conservative", "standard", "aggressive"]
    for row in found:
        assert row["fits"] and row["needed_memory_mb"] <= row["usable_memory_mb"]
        assert row["cost"] == pytest.approx(2 * row["predicted_total_seconds"] / 3600, abs=0.01)
        assert "budget" not in row["settings"] and "epochs" not in row["settings"]


def test_the_flags_of_training_are_understood(tmp_path, capsys):
    text = tmp_path / "text.jsonl"
    text.write_text("".join(json.dumps({"text": "words " * 50}) + "\n" for _ in range(200)), encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("seq_len: 64\n", encoding="utf-8")
    words = ["--data", str(text), "--preset", "cpu-6m", "--set", "num_hidden_layers=3", "--batch-size", "2"]
    assert main(["plan", "pretrain", *words, "--recipe", str(recipe), "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        assert (
            row["parameters"]
            == ModelConfig(
                vocab_size=vocabulary(200 * len("words " * 50)),
                intermediate_size=768,
                num_hidden_layers=3,
                head_dim=64,
                tie_word_embeddings=False,
            ).num_parameters()["total"]
        )
        assert not {"seq_len", "batch_size", "preset", "set"} & set(row["settings"])
        assert row["tokens"] % 128 == 0


def test_one_profile_alone(capsys):
    assert main(["plan", "pretrain", "--profile", "aggressive", "--json"]) == 0
    assert [row["profile"] for row in json.loads(capsys.readouterr().out)] == ["aggressive"]
    assert main(["plan", "pretrain", "--profile", "aggresive"]) == 2
    assert "aggressive" in capsys.readouterr().err


def test_what_does_not_fit_exits_with_1(capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert main(["plan", "pretrain", "--card", "4", "--preset", "large-285m"]) == 1
    assert "!" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pretain"], "pretrain"),
        (["--card", "8"], "begins with a job"),
        (["pretrain", "--card", "RTX 30500"], "RTX 3050"),
        (["pretrain", "--price", "-1"], "--price"),
        (["pretrain", "--preset", "cpu-3m"], "cpu-2m"),
        (["pretrain", "--data", "no-such-file.txt"], "no-such-file.txt"),
        (["pretrain", "--budget", "soon"], "soon"),
        (["sft", "--model", "no-such-run"], "no-such-run"),
    ],
)
def test_mistakes_get_one_sentence(words, said, capsys):
    assert main(["plan", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("error: ") and error.count("\n") == 1


def test_calibrate_shows_predicted_beside_actual_and_later_plans_say_so(capsys, monkeypatch, cpu):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert main(["plan", "--calibrate"]) == 0
    assert "train once" in capsys.readouterr().out
    before = fledge.plan("pretrain", steps=100)
    past = Run.create("pretrain", {}, "past")
    past.update(
        plan=before.to_dict() | {"actual_tokens_per_second": before.tokens_per_second / 2, "actual_memory_mb": 999}
    )
    past.finish("done")
    assert main(["plan", "--calibrate"]) == 0
    out = capsys.readouterr().out
    assert "past" in out and "2.00" in out and "calibrated on 1 run" in out
    after = fledge.plan("pretrain", steps=100)
    assert after.seconds["training"] == pytest.approx(2 * before.seconds["training"], rel=0.01)
    assert after.total_mb == pytest.approx(999, rel=0.01)
    assert main(["plan", "pretrain"]) == 0
    assert "calibrated on 1 run" in capsys.readouterr().out
    assert main(["plan", "--calibrate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machines"][cpu.key]["runs"] == 1


def test_the_python_call_takes_training_settings():
    plan = fledge.plan("pretrain", card="RTX 3050", preset="small-34m", batch_size=4, budget="1h", price=1.0)
    assert 3500 < plan.run_seconds < 3600 and plan.config.batch_size == 4 and plan.cost > 1
    assert fledge.plan("pretrain", profile="conservative").total_mb > 0
    with pytest.raises(UserError, match="batch_sise"):
        fledge.plan("pretrain", batch_sise=3)
