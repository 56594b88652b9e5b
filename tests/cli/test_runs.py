"""`fledge runs`: what it prints is what the run directories hold."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest

from fledge.cli import main, plots
from fledge.cli.runs import sparkline
from fledge.records import Run


@pytest.fixture
def runs() -> list[Run]:
    made = []
    for name, rate in (("slow", 1e-3), ("快", 3e-3)):
        run = Run.create("pretrain", {"seed": 1, "learning_rate": rate, "model": {"layers": 2}}, name)
        run.update(landmarks={"start": math.log(256), "floor": 1.25, "floor_by_kind": {"fact": 0.5}})
        for step in range(1, 31):
            row = {"step": step, "tokens": step * 100, "seconds": step * 130.0, "loss": 5.0 - rate * 1000 * step / 30}
            if step % 10 == 0:
                row |= {"val_bpb": 2.0 - step / 100, "val_bits_by_kind": {"fact": 3.0 - step / 10, "grammar": 1.0}}
            run.log(**row)
        run.finish(facts={"seen": 0.9})
        made.append(run)
    return made


def read(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_list(runs, capsys):
    assert main(["runs", "list"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "slow" in line]
    assert line.split() == ["slow", "pretrain", "done", "30", "1.7", "1:05:00"]
    assert main(["runs", "list", "--json"]) == 0
    assert {row["name"]: row["loss"] for row in read(capsys)} == {"slow": 4.0, "快": 2.0}


def test_list_without_runs(capsys):
    assert main(["runs", "list"]) == 0
    assert "no runs" in capsys.readouterr().out


def test_a_run_that_was_killed_does_not_look_alive(capsys):
    run = Run.create("pretrain", {}, "dead")
    main(["runs", "list", "--json"])
    assert read(capsys)[0]["status"] == "running"
    os.utime(run.path / "run.json", (1e9, 1e9))
    main(["runs", "list", "--json"])
    assert read(capsys)[0]["status"] == "killed"
    main(["runs", "list"])
    assert "killed" in capsys.readouterr().out
    main(["runs", "show", "dead"])
    assert "status: killed" in capsys.readouterr().out


def test_show(runs, capsys):
    assert main(["runs", "show", "快"]) == 0
    out = capsys.readouterr().out
    assert "learning_rate: 0.003" in out and "val_bpb   █▅▁  1.9 → 1.7 (least 1.7)" in out
    assert main(["runs", "show", "slow", "--json"]) == 0
    shown = read(capsys)
    assert shown["config"]["seed"] == 1 and len(shown["metrics"]) == 30


def test_compare_shows_only_what_differs(runs, capsys):
    assert main(["runs", "compare", "slow", "快", "--json"]) == 0
    compared = read(capsys)
    assert compared["config"] == {"learning_rate": [0.001, 0.003]}
    assert compared["results"]["loss"] == [4.0, 2.0] and compared["results"]["facts.seen"] == [0.9, 0.9]
    assert main(["runs", "compare", "slow", "快"]) == 0
    out = capsys.readouterr().out
    assert "learning_rate" in out and "layers" not in out


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ("show slwo", "Did you mean 'slow'"),
        ("compare slow", "two runs"),
        ("plot", "needs a run"),
        ("plot slow --out a.pdf", "PNG"),
        ("plot slow 快 --by-kind", "one run"),
        ("plot slow --x step", "steps"),
    ],
)
def test_mistakes(runs, capsys, argv, sentence):
    assert main(["runs", *argv.split()]) == 2
    assert sentence in capsys.readouterr().err


def test_plot_writes_a_picture_with_its_landmarks(runs, tmp_path, capsys, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: drawn.append(self) or path.write_bytes(b"png"))
    out = tmp_path / "new" / "a.png"
    assert main(["runs", "plot", "slow", "快", "--x", "tokens", "--out", str(out)]) == 0
    assert out.exists() and str(out.as_posix()) in capsys.readouterr().out
    loss, bpb = drawn[0].axes
    assert list(loss.lines[0].get_xdata()) == [step * 100 for step in range(1, 31)]
    assert loss.lines[-1].get_ydata() == pytest.approx([math.log(256)] * 2)  # one line for the landmark both runs share
    assert len(loss.lines) == 3
    assert bpb.lines[-1].get_ydata() == [1.25, 1.25]

    assert main(["runs", "plot", "slow", "--by-kind"]) == 0
    (kinds,) = drawn[1].axes
    assert list(kinds.lines[0].get_ydata()) == pytest.approx([2.0, 1.0, 0.0])
    assert kinds.lines[1].get_ydata() == [0.5, 0.5]


@pytest.mark.parametrize("font", [None, "DejaVu Sans"])
def test_a_plot_never_shows_tofu(runs, tmp_path, monkeypatch, font, recwarn):
    """Without a Chinese font every word of the picture is ASCII, in a Chinese environment too."""
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    monkeypatch.setattr(plots, "cjk_font", lambda: font)
    plots.plot_runs(runs, tmp_path / "a.png")
    missing_glyphs = [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert bool(missing_glyphs) == (font is not None)  # DejaVu has no Chinese: the check itself can fail


def test_the_picture_is_not_blank(runs, tmp_path):
    from matplotlib.image import imread

    pixels = imread(plots.plot_runs(runs, tmp_path / "a.png"))
    assert pixels.shape[1] > 1000 and np.std(pixels) > 0.01


def test_nothing_to_draw_is_said(capsys):
    Run.create("data", {}, "empty")
    assert main(["runs", "plot", "empty"]) == 2
    assert "nothing to draw" in capsys.readouterr().err


def test_sparkline():
    assert sparkline([1.0, 1.1, 8.0]) == "▁▁█"
    assert sparkline([2.0, 2.0]) == "▁▁"
    line = sparkline([float(value) for value in range(1000)])
    assert len(line) == 60 and line[0] == "▁" and line[-1] == "█" and list(line) == sorted(line)
