"""What is proven once per content: the hash, what it covers, and whose turn it is."""

from __future__ import annotations

import datetime

from fledge.proofs import PACKAGE, content_hash, rotating, sources, today


def test_the_hash_is_of_names_and_texts(tmp_path):
    def written(folder: str, **texts: bytes):
        (tmp_path / folder).mkdir()
        for name, text in texts.items():
            (tmp_path / folder / name).write_bytes(text)
        return [tmp_path / folder / name for name in texts]

    first = content_hash(written("a", x=b"1\n2\n", y=b"3\n"))
    assert len(first) == 16 and first == content_hash(written("b", y=b"3\r\n", x=b"1\r\n2\n"))
    for number, texts in enumerate([{"x": b"3\n", "y": b"1\n2\n"}, {"x": b"1\n2\n"}, {"x": b"1\n2\n", "y": b"3"}]):
        assert first != content_hash(written(str(number), **texts))


def test_sources_follow_imports_wherever_they_stand(tmp_path):
    file, data = tmp_path / "checks.py", tmp_path / "exercise.yaml"
    file.write_text("import torch\n\n\ndef f():\n    from fledge.parts import REFERENCE\n", encoding="utf-8")
    data.write_text("title: import fledge.device", encoding="utf-8")
    found = sources([file, data])
    assert {
        file,
        data,
        PACKAGE / "__init__.py",
        PACKAGE / "parts" / "__init__.py",
        PACKAGE / "parts" / "reference.py",
    } <= set(found)
    assert PACKAGE / "device.py" not in found
    file.write_text("import fledge.device\n", encoding="utf-8")
    assert PACKAGE / "device.py" in sources([file]) and PACKAGE / "parts" / "reference.py" not in sources([file])


def test_everyone_has_a_turn(monkeypatch):
    names = [f"n{i}" for i in range(11)]
    days = [datetime.date(2026, 12, 29) + datetime.timedelta(days=i) for i in range(4)]
    chosen = [rotating(names, 3, day) for day in days]
    assert {name for part in chosen for name in part} == set(names) and all(len(set(part)) == 3 for part in chosen)
    assert sorted(rotating(names, 99)) == sorted(names) and rotating([], 3) == []
    monkeypatch.setenv("FLEDGE_DAY", "2026-12-30")
    assert today() == days[1] and rotating(names, 3) == chosen[1]
