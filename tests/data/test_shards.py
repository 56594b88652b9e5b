"""Preparing: what is on disk, caching by content, damage, splitting, tags."""

from __future__ import annotations

import itertools
import json
import random

import numpy as np
import pytest

from fledge.data import Dataset, prepare, prepare_rows
from fledge.data.encode import split_text
from fledge.data.rows import TextRow
from fledge.errors import UserError
from tests.data.conftest import ByteTokenizer, chat


def no_message(text):
    raise AssertionError(f"unexpected message: {text}")


def test_text_examples_begin_and_end_with_endoftext(write, byte_tokenizer):
    texts = ["ab", "中文"]
    dataset = prepare(write("a.jsonl", [{"text": t} for t in texts]), byte_tokenizer, kind="text", notify=no_message)
    for i, text in enumerate(texts):
        ids, mask = dataset.example(i)
        assert ids.tolist() == [0, *(b + 2 for b in text.encode()), 0]
        assert mask.tolist() == [False] + [True] * (len(ids) - 1)
    assert (len(dataset), dataset.num_tokens, dataset.num_targets, dataset.num_bytes) == (2, 12, 10, 8)
    assert dataset.tokens.dtype == np.uint16


def test_chat_examples_carry_the_mask_of_the_rendering(write, byte_tokenizer):
    dataset = prepare(write("a.jsonl", [chat("q", "一")]), byte_tokenizer, kind="chat", notify=no_message)
    ids, mask = dataset.example(0)
    assert byte_tokenizer.decode(ids[mask]) == "一" and ids[mask][-1] == byte_tokenizer.im_end_id
    assert dataset.num_targets == mask.sum() == 4
    assert dataset.num_bytes == 3


def test_the_first_token_is_never_a_target(byte_tokenizer):
    class Eager(ByteTokenizer):
        def render_ids_batch(self, conversations, *, tools=None):
            return [([5, 6, 7], [True, True, True]) for _ in conversations]

    dataset = prepare_rows([chat()], Eager(), kind="chat")
    assert dataset.example(0)[1].tolist() == [False, True, True]
    assert (dataset.num_targets, dataset.num_bytes) == (2, 2)


def test_a_large_vocabulary_takes_four_bytes(byte_tokenizer):
    byte_tokenizer.vocab_size = 151_936
    assert prepare_rows(["ab"], byte_tokenizer, kind="text").tokens.dtype == np.uint32


def test_the_cache_is_used_until_content_tokenizer_or_kind_changes(write, byte_tokenizer, monkeypatch):
    path = write("a.jsonl", [{"text": "hello"}])
    folder = prepare(path, byte_tokenizer, kind="text").folder
    encode = ByteTokenizer.encode_batch
    monkeypatch.setattr(ByteTokenizer, "encode_batch", None)
    assert prepare(path, byte_tokenizer, kind="text", notify=no_message).folder == folder
    monkeypatch.setattr(ByteTokenizer, "encode_batch", encode)
    assert prepare(path, ByteTokenizer("other"), kind="text").folder != folder
    path = write("a.jsonl", [{"text": "hullo"}])
    changed = prepare(path, byte_tokenizer, kind="text")
    assert changed.folder != folder and byte_tokenizer.decode(changed.tokens) == "hullo"
    assert not list(folder.parent.glob(".*")), "no partial folder is left"


@pytest.mark.parametrize("name", ["tokens.bin", "offsets.npy", "manifest.json"])
def test_a_damaged_cache_is_made_again_with_a_message(write, byte_tokenizer, name):
    path = write("a.jsonl", [{"text": "hello"}])
    whole = prepare(path, byte_tokenizer, kind="text")
    files = {file.name: file.read_bytes() for file in whole.folder.iterdir()}
    damaged = bytearray(files[name])
    damaged[len(damaged) // 2] ^= 0xFF
    (whole.folder / name).write_bytes(damaged)
    messages = []
    again = prepare(path, byte_tokenizer, kind="text", notify=messages.append)
    assert len(messages) == 1 and "is damaged and is made again" in messages[0]
    assert {file.name: file.read_bytes() for file in again.folder.iterdir()} == files


def test_a_folder_that_is_not_ours_is_never_replaced(write, byte_tokenizer, tmp_path):
    home = tmp_path / "photos"
    home.mkdir()
    (home / "cat.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="is not a prepared dataset"):
        prepare(write("a.jsonl", [{"text": "hello"}]), byte_tokenizer, kind="text", out_dir=home)
    assert (home / "cat.jpg").exists()


def test_out_dir_is_replaced_when_the_input_changed(write, byte_tokenizer, tmp_path):
    for text in ("one", "two"):
        path = write("a.jsonl", [{"text": text}])
        dataset = prepare(path, byte_tokenizer, kind="text", out_dir=tmp_path / "out")
        assert byte_tokenizer.decode(dataset.tokens) == text


def test_quarantined_rows_are_listed_and_shown_every_time(write, byte_tokenizer):
    path = write("a.jsonl", [{"text": "a"}, "{", {"text": "b"}])
    for _ in range(2):  # made, then from the cache
        messages = []
        dataset = prepare(path, byte_tokenizer, kind="text", notify=messages.append)
        assert len(dataset) == 2 and dataset.manifest["quarantined"] == 1
        assert len(messages) == 1 and "1 of 3 rows could not be read; the first is a.jsonl line 2" in messages[0]
    row = json.loads((dataset.folder / "quarantine.jsonl").read_text(encoding="utf-8"))
    assert (row["file"], row["line"]) == ("a.jsonl", 2) and row["reason"].startswith("not JSON")


def test_a_failed_preparation_leaves_nothing(write, byte_tokenizer, tmp_path):
    with pytest.raises(UserError, match="none of its rows"):
        prepare(write("a.jsonl", ["{"]), byte_tokenizer, kind="text")
    assert not list((tmp_path / "cache" / "data").iterdir())


def test_conversations_that_a_template_refuses_are_counted(byte_tokenizer):
    class Strict(ByteTokenizer):
        def render_ids_batch(self, conversations, *, tools=None):
            if any(m[0]["role"] == "system" for m in conversations):
                raise UserError("The chat template refuses this conversation: no system turns")
            return super().render_ids_batch(conversations, tools=tools)

    system = {"conversations": [{"role": "system", "content": "s"}, *chat()["conversations"]]}
    messages = []
    dataset = prepare_rows([chat("1"), system, chat("2")], Strict(), kind="chat", notify=messages.append)
    assert len(dataset) == 2
    assert messages == ["1 conversations are left out: The chat template refuses this conversation: no system turns"]
    with pytest.raises(UserError, match="no conversation can be used: The chat template refuses"):
        prepare_rows([system], Strict(), kind="chat", name="other")


def test_sources_are_kept_apart(write, byte_tokenizer):
    files = [write(f"{name}.jsonl", [{"text": name * 10}] * 10) for name in "ab"]
    dataset = prepare(files, byte_tokenizer, kind="text")
    train, val = dataset.split(0.2)
    assert np.bincount(train.sources).tolist() == [8, 8]
    assert np.bincount(val.sources).tolist() == [2, 2]
    assert [source["file"] for source in dataset.manifest["inputs"]] == ["a.jsonl", "b.jsonl"]


def test_no_files(byte_tokenizer):
    with pytest.raises(UserError, match="no data files were given"):
        prepare([], byte_tokenizer, kind="text")


# -- split -------------------------------------------------------------------------------------------------------------


def targets_of(dataset):
    """Absolute places of all targets of a text dataset."""
    return [place for start, end in zip(dataset.starts, dataset.ends) for place in range(start + 1, end)]


@pytest.mark.parametrize("sizes", [[1000], [5, 1000, 5], [100] * 30, [300, 300], [1, 1]])
def test_split_of_text_shares_every_target_out_once_and_holds_the_fraction(byte_tokenizer, sizes):
    dataset = prepare_rows(["x" * size for size in sizes], byte_tokenizer, kind="text")
    train, val = dataset.split(0.1)
    assert targets_of(train) + targets_of(val) == targets_of(dataset)
    assert (train.num_targets, train.num_bytes) == (len(targets_of(train)), (train.tokens[targets_of(train)] > 1).sum())
    assert train.num_bytes + val.num_bytes == sum(sizes)
    if sum(sizes) > 100:
        assert val.num_bytes / sum(sizes) == pytest.approx(0.1, abs=0.03)


def test_a_long_document_is_split_at_its_byte(byte_tokenizer):
    _, val = prepare_rows(["中" * 1000], byte_tokenizer, kind="text").split(0.1)
    assert val.num_bytes == 300
    assert val.example(0)[0][0] == "中".encode()[-1] + 2, "the token before the cut is the context of the first target"


def test_conversations_are_never_cut(byte_tokenizer):
    dataset = prepare_rows([chat("q", "a" * 1000), chat("q", "b")], byte_tokenizer, kind="chat")
    train, val = dataset.split(0.1)
    assert [len(train), len(val)] == [1, 1]
    assert val.num_targets == 2
    with pytest.raises(UserError, match="too few to hold 10% out"):
        prepare_rows([chat()], byte_tokenizer, kind="chat").split(0.1)


def test_a_dataset_opens_again_and_names_its_examples(byte_tokenizer):
    dataset = prepare_rows(["ab", "cd"], byte_tokenizer, kind="text")
    train, val = dataset.split(0.5)
    assert Dataset.open(dataset.folder).fingerprint == dataset.fingerprint
    assert len({d.fingerprint for d in (dataset, train, val)}) == 3
    with pytest.raises(UserError, match="is not a prepared dataset"):
        Dataset.open(dataset.folder / "nowhere")


# -- tags and pieces ---------------------------------------------------------------------------------------------------


def test_a_token_has_the_tag_of_the_span_with_its_first_byte(byte_tokenizer):
    row = TextRow("中ab!", ((0, 1, "name"), (2, 4, "fact"), (3, 4, "end")))
    dataset = prepare_rows([row, TextRow("x")], byte_tokenizer, kind="text")
    names = [dataset.tag_names[tag] for tag in dataset.tags]
    assert names == ["", "name", "name", "name", "", "fact", "end", "", "", "", ""]


def test_split_text_loses_nothing_and_cuts_between_words():
    random.seed(0)
    text = "".join(random.choice(["word ", "more\n", "\n\n", "中文，", "中", "x1 ", "  "]) for _ in range(20_000))
    pieces = list(split_text(text, 1000))
    assert "".join(pieces) == text and len(pieces) > 30
    for left, right in itertools.pairwise(pieces):
        after_line = left[-1] == "\n" and not right[0].isspace()
        assert after_line or (left[-1].isalpha() and right[0] in " \n，")
    assert [len(piece) for piece in split_text("1" * 3500, 1000)] == [1000, 1000, 1500]
