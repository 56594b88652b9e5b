"""The floor is the sum over documents, and a written world is its documents, byte for byte."""

from __future__ import annotations

import hashlib
import json

import pytest

from fledge.cli.world import main
from fledge.errors import UserError
from fledge.world import World
from fledge.world.stats import floor, stats
from fledge.world.text import documents
from fledge.world.write import Amounts, write

FEW = Amounts(20_000, 5_000, conversations=20, preferences=10, tasks=10, tool_dialogues=10, probes=4)


def test_the_floor_is_bits_over_bytes():
    found = list(documents(World.build("tiny"), 300))
    result = floor(found)
    size = sum(len(one.text.encode("utf-8")) for one in found)
    assert result.total.floor == pytest.approx(sum(one.bits for one in found) / size)
    for group in (result.languages, result.kinds, result.tags):
        assert sum(share.bits for share in group.values()) == pytest.approx(result.total.bits)
        assert sum(share.num_bytes for share in group.values()) == size


def test_the_floor_of_the_small_world_can_be_learned():
    """Enough entropy that a small model's last errors on facts stay within 8 % of it; the halves agree, so it is well measured."""
    world = World.build("small")
    one, two = (stats(world, num_documents=3000, seed=seed)["floor"] for seed in (0, 1))
    assert 0.3 < one["total"]["bpb"] < 0.6
    assert one["total"]["bpb"] == pytest.approx(two["total"]["bpb"], rel=0.02)
    assert one["languages"]["zh"]["share"] == pytest.approx(one["languages"]["en"]["share"], abs=0.06)


def test_written_files_are_the_documents(tmp_path):
    world = World.build("tiny")
    manifest = write(world, tmp_path, FEW)
    train = [json.loads(line) for line in (tmp_path / "pretrain.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in train] == [one.text for one in documents(world, len(train))]
    texts = [
        json.loads(line)["text"] for line in (tmp_path / "pretrain_val.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    tags = [
        json.loads(line) for line in (tmp_path / "pretrain_val.tags.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(texts) == len(tags)
    for one, row in zip(texts, tags):
        data = one.encode("utf-8")
        assert b"".join(data[start:end] for start, end, _, _ in row["spans"]) == data
        assert "".join(data[start:end].decode("utf-8") for start, end, _, _ in row["spans"]) == one
    total = sum(row["bits"] for row in tags) / sum(len(one.encode("utf-8")) for one in texts)
    assert manifest["floor"]["pretrain_val"]["total"]["bpb"] == pytest.approx(total, abs=1e-4)
    for name, file in manifest["files"].items():
        data = (tmp_path / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"] and data.count(b"\n") == file["rows"] > 0


def test_the_same_world_is_written_twice(tmp_path):
    world = World.build("tiny")
    assert write(world, tmp_path / "a", FEW)["files"] == write(world, tmp_path / "b", FEW)["files"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be made"):
        write(World.build("tiny"), tmp_path / "file" / "below", FEW)


def test_the_command_line(tmp_path, capsys):
    assert main(["stats", "--size", "tiny", "--documents", "200", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["total"] == len(World.build("tiny").facts)
    assert main(["show", "--size", "tiny", "--lang", "zh", "--kind", "riddle", "--count", "2"]) == 0
    assert "riddle · zh" in capsys.readouterr().out
    with pytest.raises(UserError, match="Did you mean 'story'"):
        main(["show", "--kind", "stori"])
    few = ["--train-bytes", "3000", "--val-bytes", "0", "--conversations", "0", "--preferences", "0", "--tasks", "0"]
    assert main(["write", str(tmp_path / "w"), "--size", "tiny", *few, "--tool-dialogues", "0", "--probes", "0"]) == 0
    assert sorted(file.name for file in (tmp_path / "w").iterdir()) == ["facts.jsonl", "pretrain.jsonl", "world.json"]
