"""The size of data from its first megabytes."""

from __future__ import annotations

import gzip
import json

import pytest

from fledge.errors import UserError
from fledge.planning import facts
from fledge.planning.facts import Size, measure_text


def lines(path, rows) -> str:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (gzip.open if path.suffix == ".gz" else open)(path, "wt", encoding="utf-8").write(text)
    return str(path)


def test_text_rows_and_conversations_are_counted_exactly(tmp_path):
    text = lines(tmp_path / "a.jsonl", [{"text": "四个字母", "source": "x"}] * 3)
    assert measure_text([text], "text") == Size(36, 12)
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    assert measure_text([lines(tmp_path / "b.jsonl", [{"conversations": turns}])], "chat") == Size(7, 7)
    plain = tmp_path / "c.txt"
    plain.write_text("x" * 100, encoding="utf-8")
    assert measure_text([plain, plain], "text") == Size(200, 100)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_large_file_is_estimated_from_its_beginning(tmp_path, monkeypatch, name):
    monkeypatch.setattr(facts, "SAMPLE", 5_000)
    rows = [{"text": f"{i:04d} " * (20 + i % 17), "source": "somewhere"} for i in range(2_000)]
    path = lines(tmp_path / name, rows)
    exact = sum(len(row["text"]) for row in rows)
    found = measure_text([path], "text")
    assert found.num_bytes == pytest.approx(exact, rel=0.15)
    assert found.num_bytes / found.row_bytes == pytest.approx(2_000, rel=0.2)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="no file"):
        measure_text([tmp_path / "no.jsonl"], "text")


def test_real_text_is_estimated_well(shared_data):
    """en_mix and zh_mix hold 23.5 MB of text."""
    files = [shared_data / "pretrain" / f"{lang}_mix.jsonl.gz" for lang in ("en", "zh")]
    found = measure_text(files, "text")
    assert found.num_bytes == pytest.approx(23_524_914, rel=0.1)
