"""A quiz that nothing is wrong with, in a topic of its own."""

from __future__ import annotations

import pytest
import yaml

from fledge.course import book
from fledge.course.quiz import load


def both(text: str) -> dict[str, str]:
    return {"zh": f"中{text}", "en": text}


def single(name: str, right: int = 0, count: int = 3, texts=("one", "two", "three", "four")) -> dict:
    options = [both(texts[number]) | {"why": both(f"why {texts[number]}")} for number in range(count)]
    for number, option in enumerate(options):
        option |= {"correct": True} if number == right else {"lab": "exp1_a"}
    return {"id": name, "kind": "single", "question": both(f"{name}?"), "options": options}


def good() -> list[dict]:
    """A quiz that nothing is wrong with."""
    multiple = single("both", 0, 4) | {"kind": "multiple"}
    multiple["options"][2] = both("three") | {"why": both("why three"), "correct": True}
    numeric = {
        "id": "number", "kind": "numeric", "question": both("how many?"), "answer": 2.0, "tolerance": 0.01,
        "why": both("because 2"), "traps": [{"value": 4.0, "why": both("squared"), "lab": "exp1_a"}],
    }  # fmt: skip
    order = {
        "id": "sequence", "kind": "order", "question": both("in which order?"), "why": both("so it goes"),
        "items": [both("first"), both("second"), both("third")],
    }  # fmt: skip
    return [*(single(f"q{number}", number % 3) for number in range(6)), multiple, numeric, order]


@pytest.fixture
def topic(tmp_path, monkeypatch):
    """A topic with a lab, and the good quiz; `find_topic` finds it."""
    path = tmp_path / "modules" / "01-tier" / "07-topic"
    (path / "experiments").mkdir(parents=True)
    (path / "experiments" / "exp1_a.py").write_text('"""A lab."""\n', encoding="utf-8")
    (path / "experiments" / "exp2_b.py").write_text("import runpy\n", encoding="utf-8")
    (path / "README.md").write_text("# 主题\n", encoding="utf-8")
    (path / "README.en.md").write_text("# A topic\n", encoding="utf-8")
    found = book.Topic("07-topic", "01-tier", path)
    monkeypatch.setattr(book, "find_topic", lambda word, fit=None: found)
    monkeypatch.setattr(book, "topics", lambda: (found,))
    store(found, good())
    return found


def store(topic, rows) -> None:
    text = rows if isinstance(rows, str) else yaml.safe_dump(rows, allow_unicode=True)
    (topic.path / "quiz.yaml").write_text(text, encoding="utf-8")


def item(topic, name):
    return load(topic).item(name)
