"""The learner's report: its figures are those of the log, a broken chain is said, and the page needs no network."""

from __future__ import annotations

import json
import re
import sqlite3
from html.parser import HTMLParser

import pytest

from fledge.cli import learn
from fledge.course import book, quiz
from fledge.course.evidence import gather
from fledge.course.paths import find_path
from fledge.course.progress import Event, open_progress
from fledge.course.report import build, calibration
from fledge.course.report_forms import to_html, to_markdown
from fledge.course.workspace import find_workspace
from fledge.errors import UserError
from fledge.records import Run


def predicted(*rows: tuple[str, float | None, bool]) -> list[Event]:
    return [
        Event(number, "2026-01-01", "prediction", lab, {"confidence": sure, "right": right})
        for number, (lab, sure, right) in enumerate(rows, 1)
    ]


def test_calibration():
    found = calibration(predicted(("a", 0.9, True), ("b", 0.9, False), ("c", 0.6, True), ("d", 0.62, True)))
    assert found.groups == {90: (2, 1), 60: (2, 2)}
    assert (found.count, found.right) == (4, 3)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.16 + 0.1444) / 4)


def test_calibration_landmarks():
    assert calibration(predicted(("a", 1.0, True), ("b", 0.0, False))).brier == 0
    assert calibration(predicted(("a", 0.5, True), ("b", 0.5, False))).brier == 0.25
    assert calibration(predicted(("a", 1.0, False))).brier == 1
    assert calibration([]).brier is None


def test_only_the_first_prediction_of_a_lab_counts():
    found = calibration(
        predicted(("a", 0.8, False), ("a", 1.0, True), ("b", None, True), ("b", 0.7, True), ("c", 2.0, True))
    )
    assert found.groups == {80: (1, 0), 70: (1, 1)}


@pytest.fixture
def learner():
    """Somebody who did a little of everything."""
    topic = book.find_topic("01-normalization")
    items = [item.id for item in quiz.load(topic).items]
    run = Run.create("pretrain", {"data": ["a.txt"], "seed": 0}, "my-a&b")
    for step, loss in enumerate((7.5, 3.25), 1):
        run.log(step=step, loss=loss, tokens=step * 1000)
    run.finish("done", tokens=2000)
    with open_progress() as progress:
        progress.add("path", "quick")
        progress.add(
            "prediction", "01-normalization/exp1_gradient_vanishing", choice="same", confidence=0.7, right=False
        )
        verdicts = {"vanishes": "SUPPORTED", "survives": "INCONCLUSIVE"}
        progress.add(
            "lab", "01-normalization/exp1_gradient_vanishing", run="exp1-x", verdicts=verdicts, quick=True, seconds=1.0
        )
        progress.add("attempt", "rms_norm", passed=False)
        progress.add("hint", "rms_norm", level=1)
        progress.add("attempt", "rms_norm", passed=True, calls=["torch.rms_norm"])
        progress.add("reverse", "rms_norm", killed=7, of=9, accepted=3, variants=3, passed=False)
        progress.add("quiz", f"{topic.name}/{items[0]}", chosen=[0], right=False)
        progress.add("quiz", f"{topic.name}/{items[0]}", chosen=[1], right=True)
        progress.add("quiz", f"{topic.name}/{items[1]}", chosen=[1], right=True)
    return topic, items


def made():
    with open_progress() as progress:
        return build(progress, gather(progress, find_workspace()), find_path("quick"))


def test_the_figures_are_those_of_the_log(learner):
    topic, items = learner
    figures = made().figures()
    assert figures["chain"]["events"] == 10 and figures["chain"]["broken_at"] is None
    assert figures["exercises"] == {"passed": 1, "by_calling": 1, "tried": 1}
    assert figures["quizzes"] == {topic.name: {"items": len(items), "right": 2, "right_at_once": 1}}
    assert figures["predictions"] == {"count": 1, "right": 0, "brier": pytest.approx(0.49)}
    assert (figures["labs"], figures["runs"]) == (1, 1)
    asked = [f"quiz {topic.name}/{item}" in [step.id for step in find_path("quick").steps] for item in items[:2]]
    assert figures["steps"]["done"] == 1 + sum(asked)
    assert "read 01-normalization/README" in figures["left"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_both_forms_say_it(learner, monkeypatch, lang):
    monkeypatch.setenv("FLEDGE_LANG", lang)
    report = made()
    for text in (to_markdown(report), to_html(report)):
        for words in ("rms_norm", "exp1-x", "7/9", "0.490", "7.500 → 3.250", "70%", "torch.rms_norm"):
            assert words in text
    assert "my-a&b" in to_markdown(report) and "my-a&amp;b" in to_html(report)
    assert ("学习报告" in to_markdown(report)) is (lang == "zh")
    assert f"| pretrain | {'完成' if lang == 'zh' else 'done'} |" in to_markdown(report)


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_needs_no_network(learner):
    text = to_html(made())
    tags = Tags(text)
    assert tags.open == [] and tags.links == []
    assert not tags.seen & {"script", "link", "img", "iframe", "object"}
    assert "url(" not in text and "@import" not in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_a_broken_chain_is_said(learner, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    connection = sqlite3.connect(find_workspace().database)
    connection.execute("DROP TRIGGER no_update")
    connection.execute("UPDATE events SET data = '{\"passed\": true}' WHERE id = 4")
    connection.commit()
    connection.close()
    report = made()
    assert report.figures()["chain"]["broken_at"] == 4
    assert "from row 4 on" in to_markdown(report) and "from row 4 on" in to_html(report)
    with pytest.raises(UserError, match="row 4"):
        learn.main(["export", "out.jsonl"])


def test_somebody_who_did_nothing_gets_a_report(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    report = made()
    assert report.figures()["predictions"]["brier"] is None
    assert to_markdown(report).count("Nothing yet.") == 5
    assert Tags(to_html(report)).open == []


def test_the_verb_writes_both_and_only_over_its_own(learner, tmp_path, capsys):
    out = tmp_path / "报告"
    assert learn.main(["report", "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [file.rpartition("/")[2] for file in found["files"]] == ["report.md", "report.html"]
    assert learn.main(["report", "--out", str(out)]) == 0
    (out / "report.md").write_text("my own notes", encoding="utf-8")
    before = (out / "report.html").read_bytes()
    with pytest.raises(UserError, match=r"report\.md"):
        learn.main(["report", "--out", str(out)])
    assert (out / "report.md").read_text(encoding="utf-8") == "my own notes"
    assert (out / "report.html").read_bytes() == before
    assert learn.main(["report"]) == 0
    assert (find_workspace().root / "report" / "report.html").is_file()


def test_a_place_that_cannot_be_written_is_one_sentence(learner, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="file"):
        learn.main(["report", "--out", str(tmp_path / "file")])
