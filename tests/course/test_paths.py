"""The learning paths: everything that they name is there, their minutes are counted, and their pages can be read."""

from __future__ import annotations

import importlib
import io
import pkgutil
import re
import shlex
from types import SimpleNamespace

import pytest
from rich.console import Console

from fledge import cli
from fledge.cli import flags, learn
from fledge.course import book, pages, paths
from fledge.course.formula import plain
from fledge.course.paths import LearningPath, Stage, Step, all_paths, find_path, missing
from fledge.course.progress import open_progress
from fledge.errors import UserError
from fledge.interop.minimind.arguments import parse as parse_door
from fledge.lang import Text
from tests.conftest import ROOT

LANGUAGES = ("zh", "en")


@pytest.fixture(params=LANGUAGES)
def lang(request, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", request.param)
    return request.param


# The paths of the book


def test_everything_that_a_path_names_is_there():
    assert missing(all_paths()) == []


def test_missing_is_noticed():
    """The test above can fail."""
    steps = [
        Step(kind, subject, 1, Text("x", "x"))
        for kind, subject in (("exercise", "no_such"), ("lab", "01-normalization/exp9"), ("read", "01-normalization/no"),
                              ("quiz", "01-normalization/no-such-item"), ("quiz", "09-nothing"))
    ]  # fmt: skip
    checks = (paths.ChecklistItem(Text("x", "x"), ("done nothing",)), paths.ChecklistItem(Text("y", "y"), ()))
    made = LearningPath("p", Text("p", "p"), Text("p", "p"), (Stage(Text("s", "s"), tuple(steps)),), checks)
    assert len(missing({"p": made})) == 8  # the page misses in both languages


def test_the_three_paths():
    assert list(all_paths()) == ["quick", "system", "deep"]


def test_the_promised_time(lang):
    """Minutes include reading, the labs' own seconds, every question and every exercise."""
    found = all_paths()
    assert 15 <= found["quick"].minutes <= 30
    assert 240 <= found["system"].minutes <= 360
    assert found["deep"].minutes >= 30 * 60
    assert all(step.minutes > 0 for path in found.values() for step in path.steps)


def test_the_quick_path_downloads_nothing_and_needs_no_training():
    assert {step.kind for step in find_path("quick").steps} == {"read", "lab", "quiz"}
    labs = [step.subject.partition("/")[2] for step in find_path("quick").steps if step.kind == "lab"]
    assert labs == ["exp1_gradient_vanishing", "exp1_rope_basics", "exp1_attention_basics"]


def test_every_step_stands_once_in_a_path():
    for path in all_paths().values():
        ids = [step.id for step in path.steps]
        assert sorted({name for name in ids if ids.count(name) > 1}) == []


def test_names_of_steps_are_unique():
    named = [step for path in all_paths().values() for step in path.steps if step.kind in ("command", "done")]
    assert len({step.subject for step in named}) == len({step for step in (s.id for s in named)})


def test_nothing_that_leaves_a_trace_is_taken_on_trust():
    for path in all_paths().values():
        for step in path.steps:
            if step.kind == "command":
                assert step.evidence, f"{step.id}: what shows that it was done?"


def test_what_comes_later_is_said_and_counts_for_nothing():
    later = " ".join(text.en for stage in find_path("deep").stages for text in stage.later)
    assert all(word in later for word in ("LoRA", "GRPO", "Quantization"))
    needs = {need for path in all_paths().values() for check in path.checks for need in check.needs}
    assert not [need for need in needs if "lora" in need]


def test_the_deep_path_holds_the_system_path():
    ids = [step.id for step in find_path("deep").steps]
    assert ids[: len(find_path("system").steps)] == [step.id for step in find_path("system").steps]


class Parsed(Exception):
    pass


def commands() -> list[str]:
    """What the paths tell a learner to type: the steps' own commands, and those inside their texts."""
    steps = [step for path in all_paths().values() for step in path.steps]
    inside = [found for step in steps for found in re.findall(r"`((?:fledge|python) [^`]+)`", step.text.zh)]
    return sorted({*(step.command for step in steps), *inside})


def test_both_languages_name_the_same_commands():
    for step in (step for path in all_paths().values() for step in path.steps):
        zh, en = (sorted(re.findall(r"`[^`]+`", text)) for text in (step.text.zh, step.text.en))
        assert zh == en or step.kind in ("lab", "quiz", "exercise"), step.id


@pytest.mark.parametrize("command", [c for c in commands() if not c.startswith(("fledge lab", "fledge quiz"))])
def test_a_command_is_understood(command, monkeypatch):
    words = shlex.split(command)
    if words[0] == "python":
        script = ROOT / words[1]
        assert script.is_file()
        assert parse_door(script.stem.removeprefix("train_"), words[2:])
        return
    parse = flags.parse

    typed = flags.typed

    def stop(*args, **kwargs):
        parse(*args, **kwargs)
        raise Parsed

    def asked(*args, **kwargs):
        typed(*args, **kwargs)
        raise Parsed

    assert words[0] == "fledge"
    module = importlib.import_module(cli.VERBS[words[1]][0])
    # All of them before the next line: one that is imported first after it would keep `stop` for good.
    others = [importlib.import_module(f"fledge.cli.{found.name}") for found in pkgutil.iter_modules(cli.__path__)]
    for holder in (module, flags, *others):
        monkeypatch.setattr(holder, "parse", stop, raising=False)
    monkeypatch.setattr(flags, "typed", asked)
    with pytest.raises(Parsed):
        module.main(words[2:])


def test_runs_and_labs_in_commands_exist():
    labs = {f"{topic.name}/{file.stem}" for topic in book.topics() for file in topic.labs}
    for command in commands():
        words = shlex.split(command)
        if words[:3] == ["fledge", "lab", "run"]:
            assert words[3] in labs
    sources = re.findall(r"src/fledge/[\w/]+\.py", " ".join(step.text.en for step in find_path("deep").steps))
    assert sources and all((ROOT / source).is_file() for source in sources)


# Minutes and titles


def test_minutes_of_a_page(tmp_path):
    file = tmp_path / "a.md"
    file.write_text("<!-- block: x -->\n# 标题\n" + "字" * 298 + "\n" + "word " * 200, encoding="utf-8")
    assert pages.reading_minutes(file) == pytest.approx(2)


def test_minutes_of_a_lab_are_its_recorded_seconds(tmp_path):
    lab = tmp_path / "exp1_a.py"
    lab.write_text("", encoding="utf-8")
    assert paths._lab_minutes(lab) == pytest.approx(paths.LAB_MINUTES + paths.UNKNOWN_LAB_SECONDS / 60)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "exp1_a.json").write_text('{"seconds": 12}', encoding="utf-8")
    assert paths._lab_minutes(lab) == pytest.approx(paths.LAB_MINUTES + 0.2)


def test_the_title_of_a_lab_is_read_without_running_it(tmp_path):
    lab = tmp_path / "exp1.py"
    lab.write_text('raise SystemExit\nlab = Lab(\n    title=Text("问", "ask"),\n)\n', encoding="utf-8")
    assert paths.lab_title(lab) == Text("问", "ask")


# Pages


@pytest.mark.parametrize(
    "latex, text",
    [
        (r"0.5^{20} \approx 10^{-6}", "0.5²⁰ ≈ 10⁻⁶"),
        (r"\frac{x_i}{\sqrt{\frac{1}{D}\sum_j x_j^2 + \varepsilon}} \cdot w_i", "x_i/(√(1/D Σ_j x_j² + ε)) · w_i"),
        (r"\text{softmax}\!\left(\frac{QK^\top}{\sqrt{d}}\right) V", "softmax(QKᵀ/√d) V"),
        (r"\theta_i = 10000^{-2i/d}", "θ_i = 10000^(-2i/d)"),
        (r"\unknown{x} \in \mathbb{R}^{n}", r"\unknown{x} ∈ Rⁿ"),
        (r"\frac{e^{s_i}}{e^{s_1} + \dots + e^{s_n}}", "(e^s_i)/(e^s_1 + … + e^s_n)"),
        (r"W_{down}\,\bigl(x \odot y\bigr)", "W_down (x ⊙ y)"),
        (r"a\cos\theta \approx 14\%", "a cos θ ≈ 14%"),
    ],
)
def test_formulas_are_readable(latex, text):
    assert plain(latex) == text


PAGE = """<!-- block: start zh=1a2b -->
# Title

It took <!--num exp1/seconds as .0f-->12<!--/num--> s, $x_1 * y$ and `$code <!-- kept -->`.

![A picture](experiments/results/a.en.svg)

```python
price = "$5"  # ![no](picture) <!-- kept -->
```
<!-- block: next -->
## Next

$$
a + b
$$
"""


def test_a_page_is_shown_without_markers(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    file = tmp_path / "a.md"
    file.write_text(PAGE, encoding="utf-8")
    text = pages.page_text(file)
    assert "It took 12 s, `x_1 * y` and `$code <!-- kept -->`." in text
    assert f"(figure: A picture, {tmp_path.as_posix()}/experiments/results/a.en.svg)" in text
    assert 'price = "$5"  # ![no](picture) <!-- kept -->' in text
    assert "block:" not in text and "num" not in text and text.startswith("# Title\n")
    assert "```text\na + b\n```" in text


def at_terminal(monkeypatch, less: str | None) -> tuple[io.StringIO, list]:
    """A terminal of 80 columns with or without `less`; what is printed, and the calls of the pager."""
    out, calls = io.StringIO(), []
    console = Console(file=out, force_terminal=True, width=80)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(pages.shutil, "which", lambda name: less)
    monkeypatch.setattr(pages.subprocess, "run", lambda command, **how: calls.append((command, how["input"].decode())))
    return out, calls


def test_a_terminal_has_a_pager(monkeypatch):
    out, calls = at_terminal(monkeypatch, "/usr/bin/less")
    pages.show("# Title\n\nwords")
    ((command, shown),) = calls
    assert command == ["/usr/bin/less", "-RFX"] and "Title" in shown and not out.getvalue()
    pages.show("# Title\n\nwords", pager=False)
    assert len(calls) == 1 and "words" in out.getvalue()


def test_without_less_a_page_is_printed(monkeypatch):
    out, calls = at_terminal(monkeypatch, None)
    pages.show("# Title\n\nwords")
    assert not calls and "words" in out.getvalue()


@pytest.mark.parametrize("topic", [topic for topic in book.topics() if pages.has_pages(topic)], ids=lambda t: t.name)
def test_tables_of_a_page_are_whole_on_80_columns(topic, monkeypatch):
    """No cell is cut with an ellipsis, and no name that one types or question that one reads loses its end."""
    out, _ = at_terminal(monkeypatch, None)
    text = pages.page_text(pages.find_page(topic, "README", "zh"))
    pages.show(text)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert shown.count("…") == text.count("…")
    for lab in topic.labs:
        assert lab.stem in shown


@pytest.mark.parametrize("page", [page for topic in book.topics() for page in topic.path.glob("teaching*.md")])
def test_no_formula_of_the_book_shows_its_latex(page):
    assert not re.search(r"\\[a-zA-Z]{2,}", re.sub(r"```.*?```", "", pages.page_text(page), flags=re.DOTALL))


def test_reading_a_page_is_kept(capsys, lang):
    topic = book.find_topic("01-normalization")
    assert learn.main(["read", "normalization", "readme"]) == 0
    said = capsys.readouterr().out
    assert pages.topic_title(topic) in said and "<!--" not in said
    learn.main(["read", "01-normalization"])
    with open_progress() as progress:
        assert [event.subject for event in progress.events("read")] == [
            "01-normalization/README",
            "01-normalization/teaching",
        ]


def test_pages_that_are_not_there_are_sentences():
    with pytest.raises(UserError, match="teaching"):
        learn.main(["read", "01-normalization", "teachin"])
    with pytest.raises(UserError, match="no topic"):
        learn.main(["read", "09-nothing"])
