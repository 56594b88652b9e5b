"""The experiment notebook: its numbers are the run's, what changed is computed, and nothing is invented or overwritten."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from fledge.cli import log
from fledge.course import notebook
from fledge.course.comparing import changes
from fledge.course.evidence import LOG_LINE
from fledge.course.workspace import find_workspace
from fledge.errors import UserError
from fledge.records import Run

TODAY = date.today().isoformat()


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")


def trained(name, status="done", losses=(7.5, 4.0, 3.25), data="aaaaaaaa11", text="the cat", **config):
    """A finished training run, as the loop writes it."""
    settings = {"data": ["book.txt"], "lr": 0.02, "seed": 0, "steps": 3, "run": name, "set": {}} | config
    run = Run.create("pretrain", settings, name, command=f"fledge train pretrain --run {name}")
    run.update(data={"train": {"inputs": [{"file": "book.txt", "sha256": data}], "tokens": 12345}}, precision="float32")
    run.log(step=0, tokens=0, seconds=0.1, val_loss=7.6, val_bpb=4.2)
    for step, loss in enumerate(losses, 1):
        run.log(step=step, tokens=step * 100, seconds=step * 1.0, loss=loss, memory_mb=100 + step)
    run.log(step=3, tokens=300, seconds=3.5, val_loss=3.4, val_bpb=2.1)
    run.sample(step=0, prompt="Once", text="xx")
    run.sample(step=3, prompt="Once", text=text)
    run.finish(status, seconds=3.5, tokens=300)
    return run


def recorded(*argv) -> str:
    assert log.main(list(argv)) == 0
    (file,) = sorted(find_workspace().log.glob("*.md"), key=lambda file: file.stat().st_mtime_ns)[-1:]
    return file.read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n\n")[1].split("\n\n## ")[0]


def test_the_numbers_are_the_runs(capsys):
    trained("mine")
    text = recorded("mine")
    results = section(text, "Results")
    for row in (
        "| training loss, first → last | 7.500 → 3.250 |",
        "| validation loss, first → last | 7.600 → 3.400 |",
        "| bits per byte, first → last | 4.200 → 2.100 |",
        "| steps | 3 |",
        "| tokens | 300 |",
        "| seconds | 3.5 |",
        "| peak memory (MB) | 103 |",
        "| status | done |",
    ):
        assert row in results
    how = section(text, "How it was done")
    assert "`fledge train pretrain --run mine`" in how and "book.txt (sha256 aaaaaaaa), 12,345 tokens" in how
    assert "- seed: 0" in how and "- precision: float32" in how
    assert "Once▸the cat" in section(text, "Samples") and "xx" not in section(text, "Samples")
    file = find_workspace().log / f"{TODAY}-mine.md"
    assert capsys.readouterr().out.strip() == file.as_posix()


def test_a_status_is_said_in_the_learners_language(monkeypatch):
    trained("cut", status="stopped")
    assert "| status | stopped |" in recorded("cut")
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    assert "| 已停下 |" in recorded("cut")


def test_nothing_is_invented():
    trained("mine")
    text = recorded("mine")
    assert section(text, "Hypothesis").endswith("______") and section(text, "Conclusion").endswith("______")
    given = recorded("mine", "--hypothesis", "A lower rate is better.", "--conclusion", "It was not.")
    assert section(given, "Hypothesis") == "A lower rate is better."
    assert section(given, "Conclusion") == "It was not."


def test_a_run_that_says_little_gives_a_record():
    run = Run.create("pretrain", {}, "bare")
    text = recorded("bare")
    assert "Not finished: bare" in text and "None" not in text
    run.update(data=None, machine=None, versions=None, results=None, command=None)
    assert "None" not in recorded("bare")


def test_no_record_is_overwritten(tmp_path):
    trained("mine")
    for _ in range(3):
        recorded("mine")
    names = sorted(file.name for file in find_workspace().log.glob("*.md"))
    assert names == [f"{TODAY}-mine-2.md", f"{TODAY}-mine-3.md", f"{TODAY}-mine.md"]
    out = tmp_path / "my notes.md"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="my notes"):
        log.main(["mine", "--out", str(out)])
    assert out.read_text(encoding="utf-8") == "mine"
    assert log.main(["mine", "--out", str(tmp_path / "new.md")]) == 0
    assert len(names) == len(list(find_workspace().log.glob("*.md")))


# What two runs differ in


def told(before, after) -> str:
    return section(recorded(after.name, "--against", before.name), "What was changed")


def test_one_thing():
    text = told(trained("a"), trained("b", lr=0.01, val_every=5, keep=9))
    assert "One thing was changed: `lr`" in text and "| lr | 0.02 | 0.01 |" in text
    assert "keep" not in text and "proves nothing" not in text


def test_two_things_prove_nothing_about_one():
    text = told(trained("a"), trained("b", lr=0.01, set={"num_hidden_layers": 2}, steps=5))
    assert text.startswith("3 things were changed, not one.") and "proves nothing about any single one" in text
    for row in ("| lr | 0.02 | 0.01 |", "| set.num_hidden_layers | - | 2 |", "| steps | 3 | 5 |"):
        assert row in text


def test_the_same_file_name_may_hold_other_text():
    text = told(trained("a"), trained("b", data="bbbbbbbb22", lr=0.01))
    assert text.startswith("2 things") and "| content of the training data | aaaaaaaa | bbbbbbbb |" in text


def test_repetitions_are_noise():
    one = trained("a")
    assert "this is a repetition" in told(one, trained("b"))
    assert "Only the seed differs" in told(one, trained("c", seed=1))
    assert told(one, trained("d", seed=1, lr=0.01)).startswith("2 things")


def test_jobs_and_machines_are_told_apart():
    one, two = trained("a"), trained("b", lr=0.01)
    two.update(machine={"cpu": "other", "gpu": "RTX 3050"}, precision="bfloat16", versions={"torch": "9"})
    found = changes(one, two)
    assert set(found.settings) == {"lr"}
    assert {"graphics card", "precision", "torch", "processor"} <= set(found.around)
    text = told(one, two)
    assert "Not chosen, and different all the same" in text and "| precision | float32 | bfloat16 |" in text
    two.update(job="sft")
    assert "job" in changes(one, two).settings


def test_both_runs_stand_side_by_side():
    trained("a")
    trained("b", lr=0.01, losses=(7.5, 2.0))
    text = recorded("b", "--against", "a")
    assert "|  | a | b |" in text and "| training loss, first → last | 7.500 → 3.250 | 7.500 → 2.000 |" in text
    assert LOG_LINE.match(text)["what"] == "comparison"
    trained("c", lr=0.01, steps=9)
    assert LOG_LINE.match(recorded("c", "--against", "a"))["what"] == "against"
    with pytest.raises(UserError, match="itself"):
        log.main(["a", "--against", "a"])


# Labs


def lab_run(name="exp1-x", **more):
    config = {
        "lab": "t/exp1",
        "settings": {"depth": 20},
        "arms": {"plain": {"norm": "none"}},
        "seeds": [0, 1],
        "seed": 0,
    }
    run = Run.create("lab", config | more, name, root=find_workspace().runs)
    guess = {"choice": "ten", "confidence": 0.6, "outcome": "thousand", "right": False}
    run.log(arm="plain", seed=0, ratio=1.0)
    (run.path / "figure.png").write_bytes(b"")
    run.finish("done", verdicts={"vanishes": "SUPPORTED", "survives": "NOT SUPPORTED"}, prediction=guess, seconds=1.5)
    return run


def test_a_lab_has_its_prediction_and_verdicts():
    lab_run()
    text = recorded("exp1-x")
    verdicts = section(text, "Prediction and verdicts")
    assert "- prediction: ten (60%) → thousand, wrong" in verdicts
    assert "- vanishes: supported" in verdicts and "- survives: not supported" in verdicts
    assert "`t/exp1`" in section(text, "Lab") and '{"norm": "none"}' in section(text, "Lab")
    (picture,) = re.findall(r"!\[t/exp1\]\((.+)\)", text)
    assert (find_workspace().log / picture).resolve().is_file()


def test_labs_differ_in_their_settings():
    one, two = lab_run(), lab_run("exp1-y", settings={"depth": 40})
    assert changes(one, two).settings == {"settings.depth": (20, 40)}
    assert "Only the seed differs" in told(one, lab_run("exp1-z", seeds=[5, 6], seed=5))


# Forms and the table


@pytest.mark.parametrize("name", ["experiment", "project", "questions", "defence", "week"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_templates(name, lang, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", lang)
    text = recorded("--template", name)
    assert LOG_LINE.match(text)["what"] == name
    assert text.splitlines()[1].startswith("# ") and ("______" in text or "|  |" in text)
    assert bool(re.search(r"[\u4e00-\u9fff]", text)) is (lang == "zh")
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block
    if name == "questions":
        assert len(re.findall(r"^\| \d+ \|", text, re.MULTILINE)) == 20


def test_both_languages_of_a_template_ask_the_same(monkeypatch):
    forms = {}
    for lang in ("zh", "en"):
        monkeypatch.setenv("FLEDGE_LANG", lang)
        forms[lang] = notebook.templates()
    assert list(forms["zh"]) == list(forms["en"])
    for name in forms["zh"]:
        zh, en = (
            [re.match(r"(#+|\||- |\d+\.|```)?", line)[0] for line in forms[lang][name].splitlines() if line.strip()]
            for lang in ("zh", "en")
        )
        assert [mark for mark in zh if mark] == [mark for mark in en if mark], name


def test_the_table_of_all_runs(capsys, tmp_path):
    trained("old", text="a | b\nc")
    trained("new", losses=(5.0,))
    lab_run()
    Run.create("pretrain", {}, "bare")
    assert log.main(["--table"]) == 0
    rows = capsys.readouterr().out.strip().splitlines()
    assert rows[0] == "| date | command | memory (MB) | loss | sample |" and len(rows) == 5
    (old,) = [row for row in rows if "--run old" in row]
    assert "| 103 | 7.500 → 3.250 | Once▸a \\| b c |" in old
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)
    assert log.main(["--table", "--out", str(tmp_path / "t.md")]) == 0
    assert (tmp_path / "t.md").read_text(encoding="utf-8").startswith("| date |")


def test_samples_cannot_break_the_record():
    trained("mine", text="```\n# not a heading\n" + "x" * 1000)
    text = recorded("mine")
    samples = section(text, "Samples")
    assert samples.startswith("````text\n") and samples.endswith("\n````") and len(samples) < 400


def test_slips_are_sentences():
    trained("mine")
    for argv in (
        [],
        ["mine", "--table"],
        ["--table", "--against", "mine"],
        ["--template", "week", "--conclusion", "x"],
    ):
        with pytest.raises(UserError):
            log.main(argv)
    with pytest.raises(UserError, match="Did you mean 'mine'"):
        log.main(["mime"])
    with pytest.raises(UserError, match="--template"):
        log.main(["--template", "weak"])


def test_json(capsys):
    trained("mine")
    log.main(["mine", "--json"])
    assert json.loads(capsys.readouterr().out)["file"].endswith(f"{TODAY}-mine.md")
