"""Packed batches: every target exactly once, nothing leaks, and an interrupted run goes on at the very next batch."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter

import numpy as np
import pytest

from fledge.data import PackedBatches, eval_batches, prepare_rows
from fledge.data.packing import Packer, Stretch
from fledge.data.rows import TextRow
from fledge.errors import UserError
from tests.data.conftest import chat


@pytest.fixture
def documents(byte_tokenizer):
    """300 documents of 1 to 400 bytes, each byte telling its document and place apart from its neighbours."""
    rng = random.Random(1)
    texts = ["".join(chr(33 + (d * 7 + i * 3) % 90) for i in range(rng.randint(1, 400))) for d in range(300)]
    return prepare_rows(texts, byte_tokenizer, kind="text")


@pytest.fixture
def conversations(byte_tokenizer):
    rng = random.Random(2)
    return prepare_rows(
        [chat("q" * rng.randint(1, 40), "a" * rng.randint(1, 150)) for _ in range(300)], byte_tokenizer, kind="chat"
    )


def make(dataset, **changes):
    settings = {"seq_len": 64, "batch_size": 4, "pad_id": 0, "crop": True, "seed": 3, "epochs": 1} | changes
    return PackedBatches(dataset, **settings)


def stretches_of(batch):
    """(inputs, targets, positions) of every segment of a batch; padding is recognised by its position and loss."""
    segments_BT = batch.segments_BT if batch.segments_BT is not None else batch.inputs_BT * 0
    for inputs, targets, positions, segments in zip(batch.inputs_BT, batch.targets_BT, batch.positions_BT, segments_BT):
        edges = [0, *(np.flatnonzero(np.diff(segments.numpy())) + 1), len(segments)]
        assert len(set(segments.tolist())) == len(edges) - 1, "a segment's number comes back later in the row"
        for start, end in itertools.pairwise(edges):
            part = slice(start, end)
            yield inputs[part].tolist(), targets[part].tolist(), positions[part].tolist()


def bigrams(dataset):
    """Every (input, target) pair of a text dataset, counted."""
    return Counter(
        pair for i in range(len(dataset)) for pair in zip(*(dataset.example(i)[0][s:].tolist() for s in (0, 1)))
    )


def pairs(batches):
    return Counter(
        (x, y)
        for batch in batches
        for inputs, targets, _ in stretches_of(batch)
        for x, y in zip(inputs, targets)
        if y != -100
    )


def test_every_token_is_a_target_once_an_epoch(documents):
    packed = make(documents)
    batches = list(packed)
    assert pairs(batches) == bigrams(documents)
    assert sum(batch.count for batch in batches) == documents.num_targets == packed.tokens_per_epoch
    assert sum(batch.num_bytes for batch in batches) == documents.num_bytes
    twice = bigrams(documents)
    assert pairs(make(documents, epochs=2)) == twice + twice


def test_segments_are_stretches_of_one_document_with_their_own_positions(documents):
    whole = {documents.example(i)[0].astype(np.uint16).tobytes() for i in range(len(documents))}
    for batch in make(documents):
        for inputs, targets, positions in stretches_of(batch):
            if targets == [-100] * len(targets):  # padding
                assert inputs == positions == [0] * len(inputs)
                continue
            assert positions == list(range(len(inputs)))
            assert inputs[1:] == targets[:-1]
            chain = np.array([*inputs, targets[-1]], np.uint16).tobytes()
            assert any(chain in document for document in whole), "a segment mixes documents"


def test_pretraining_rows_are_full(documents):
    batches = list(make(documents))
    assert all((batch.targets_BT != -100).all() for batch in batches[:-1])


def test_documents_that_fit_are_rarely_cut(documents):
    """Best fit is there to keep documents whole: most that fit into a row are not cut."""
    short = {
        tuple(documents.example(i)[0][1:].tolist()) for i in range(len(documents)) if len(documents.example(i)[0]) <= 65
    }
    whole = {tuple(targets) for batch in make(documents) for _, targets, _ in stretches_of(batch)}
    assert len(short & whole) > 0.9 * len(short)


def test_one_long_document_gives_full_rows_with_a_new_phase_every_epoch(byte_tokenizer):
    text = "".join(chr(33 + i % 90) for i in range(20_000))
    dataset = prepare_rows([text], byte_tokenizer, kind="text")
    starts = []
    for epoch in range(2):
        packed = make(dataset, epochs=2, seed=5)
        batches = list(packed)
        assert packed.utilisation >= 0.99
        assert pairs(batches) == bigrams(dataset) + bigrams(dataset)
        assert sum(batch.segments_BT is None for batch in batches) >= len(batches) - 4
        plan = packed._stretches(epoch)
        starts.append({int(start) % 64 for _, start, _ in plan if start})
    assert len(starts[0]) == len(starts[1]) == 1 and starts[0] != starts[1]


def test_sft_never_cuts(conversations):
    packed = make(conversations, crop=False, seq_len=256)
    assert (packed.truncated, packed.dropped) == (0, 0)
    examples = Counter(tuple(conversations.example(i)[0].tolist()) for i in range(len(conversations)))
    seen: Counter = Counter()
    learned = 0
    for batch in packed:
        learned += batch.count
        for inputs, targets, positions in stretches_of(batch):
            if set(targets) == {-100}:
                continue
            assert positions == list(range(len(inputs)))
            last = targets[-1]  # every conversation ends with a learned token
            seen[(*inputs, last)] += 1
    assert seen == examples
    assert learned == conversations.num_targets
    assert packed.utilisation > 0.95


def test_sft_masks_are_those_of_the_examples(byte_tokenizer):
    dataset = prepare_rows([chat("q", "ab")], byte_tokenizer, kind="chat")
    batch = next(make(dataset, crop=False))
    ids, mask = dataset.example(0)
    expected = np.where(mask, ids.astype(int), -100)[1:].tolist()
    assert batch.targets_BT[0, : len(expected)].tolist() == expected
    assert (batch.targets_BT[0, len(expected) :] == -100).all()
    assert batch.count == 3 and batch.num_bytes == 2


def test_long_conversations_are_truncated_and_those_without_a_label_dropped(byte_tokenizer):
    rows = [chat("q", "short"), chat("q", "a" * 300), chat("q" * 300, "lost")]
    packed = make(prepare_rows(rows, byte_tokenizer, kind="chat"), crop=False)
    assert (packed.truncated, packed.dropped) == (1, 1)
    batches = list(packed)
    assert sum(int((batch.targets_BT != -100).sum()) for batch in batches) > 6
    assert all(ord("l") + 2 not in batch.targets_BT for batch in batches)
    assert all(((batch.targets_BT != -100).any(1)).all() for batch in batches), "a row without a label"


def test_a_label_in_the_last_place_is_kept_and_one_behind_it_is_not(byte_tokenizer):
    prompt = len("user: ") + 1 + len("assistant: ")  # tokens around the question
    for question, kept in ((64 - prompt, 1), (65 - prompt, 0)):
        dataset = prepare_rows([chat("q" * question, "a"), chat("q", "a")], byte_tokenizer, kind="chat")
        packed = make(dataset, crop=False)
        assert (packed.truncated, packed.dropped) == (kept, 1 - kept)
        assert sum(batch.count for batch in packed) == kept + 2


def test_when_truncation_leaves_nothing_the_error_says_what_to_do(byte_tokenizer):
    dataset = prepare_rows([chat("q" * 300, "lost")], byte_tokenizer, kind="chat", name="sft.jsonl")
    with pytest.raises(UserError) as error:
        make(dataset, crop=False)
    assert str(error.value) == (
        "no example of sft.jsonl has an answer within its first 64 tokens: raise --seq-len "
        "(the longest example has 323 tokens) or shorten the prompts"
    )


def same(a, b):
    def equal(x, y):
        return (x is None) == (y is None) and (x is None or bool((x == y).all()))

    return all(
        equal(getattr(a, name), getattr(b, name)) for name in ("inputs_BT", "targets_BT", "positions_BT", "segments_BT")
    )


@pytest.mark.parametrize("kind", ["documents", "conversations"])
def test_resume_gives_exactly_the_next_batch(kind, request):
    dataset = request.getfixturevalue(kind)
    crop = kind == "documents"
    whole = make(dataset, crop=crop, epochs=None)
    reference = [next(whole) for _ in range(400)]
    for stop in random.Random(4).sample(range(390), 10):
        first = make(dataset, crop=crop, epochs=None)
        for _ in range(stop):
            next(first)
        state = json.loads(json.dumps(first.state_dict()))
        second = make(dataset, crop=crop, epochs=None)
        second.load_state_dict(state)
        assert all(same(next(second), reference[stop + k]) for k in range(8))
        assert second.epoch == first.epoch or stop % 8


def test_a_cursor_of_other_data_is_refused(documents):
    state = make(documents).state_dict()
    with pytest.raises(UserError, match="seq_len was 64 and is 32"):
        make(documents, seq_len=32).load_state_dict(state)
    with pytest.raises(UserError, match="the data have changed"):
        make(documents.split(0.1)[0]).load_state_dict(state)


def test_the_seed_decides_the_order(documents):
    first, again, other = (next(make(documents, seed=seed)) for seed in (0, 0, 1))
    assert same(first, again) and not same(first, other)


def test_epochs_are_shuffled_differently_and_none_is_endless(documents):
    packed = make(documents, epochs=None)
    n = 2 * documents.num_targets // (64 * 4)
    batches = [next(packed) for _ in range(n)]
    assert packed.epoch >= 1
    assert not same(batches[0], batches[n // 2])
    assert all((batch.targets_BT != -100).all() for batch in batches), "no padding at the seam of two epochs"


def test_small_data_is_gone_through_evenly(byte_tokenizer):
    """The window must not hold many epochs of few documents: long ones would be seen far more often than short ones."""
    dataset = prepare_rows(["x" * size for size in range(5, 25)], byte_tokenizer, kind="text")
    packed = make(dataset, crop=False, epochs=None)
    seen = Counter(
        len(inputs) for _ in range(25) for inputs, targets, _ in stretches_of(next(packed)) if max(targets) > 0
    )
    assert len(seen) == 20 and max(seen.values()) - min(seen.values()) <= 4


def test_eval_reads_every_target_once_and_cuts_only_what_is_too_long(documents):
    batches = list(eval_batches(documents, 64, 4))
    assert pairs(batches) == bigrams(documents)
    starts = {tuple(inputs) for batch in batches for inputs, targets, _ in stretches_of(batch) if targets[-1] != -100}
    for i in range(len(documents)):
        ids = documents.example(i)[0].tolist()
        for at in range(0, len(ids) - 1, 64):
            assert tuple(ids[at : min(at + 64, len(ids) - 1)]) in starts
    assert all(same(a, b) for a, b in zip(batches, eval_batches(documents, 64, 4)))


def test_eval_takes_an_even_part_of_the_windows(documents):
    total = sum(batch.count for batch in eval_batches(documents, 64, 4, max_tokens=5000))
    assert 4500 <= total <= 5000
    assert sum(batch.count for batch in eval_batches(documents, 64, 4, max_tokens=10**9)) == documents.num_targets


def test_tags_go_with_their_targets(byte_tokenizer):
    dataset = prepare_rows([TextRow("abcd", ((1, 3, "fact"),))], byte_tokenizer, kind="text")
    batch = next(make(dataset, seq_len=8))
    assert batch.targets_BT[0, :5].tolist() == [ord(c) + 2 for c in "abcd"] + [0]
    assert batch.tags_BT[0].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert dataset.tag_names == ["", "fact"]


def test_the_packer_prefers_what_fits_best():
    packer = Packer(10, crop=False)
    for document, size in enumerate([4, 9, 5, 6, 2]):
        packer.add(Stretch(document, 0, size))
    assert [[s.document for s in packer.row()] for _ in range(4)] == [[0, 3], [1], [2, 4], []]


def test_the_packer_cuts_the_shortest_and_goes_on_with_the_rest():
    packer = Packer(10, crop=True)
    for document, size in enumerate([4, 9, 8]):
        packer.add(Stretch(document, 0, size))
    rows = [packer.row() for _ in range(3)]
    assert rows == [[(0, 0, 4), (2, 0, 6)], [(1, 0, 9), (2, 6, 1)], [(2, 7, 1)]]
