"""Judged answers: what of a row is learned, pairs that are never parted, and what becomes of those that are too long."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fledge.data import prepare, prepare_rows
from fledge.data.check import check
from fledge.data.pairs import AnswerBatches, mismatch, shortened
from fledge.errors import UserError


def pair(question, chosen, rejected, **more):
    turns = [{"role": "user", "content": question}]
    sides = ([*turns, {"role": "assistant", "content": answer}] for answer in (chosen, rejected))
    return dict(zip(("chosen", "rejected"), sides)) | more


PAIRS = [pair(f"question {n % 7}", f"good answer {n}" + "!" * n, f"bad {n}" + "?" * (40 - n)) for n in range(40)]


def batches(dataset, **changes):
    settings = {"seq_len": 120, "batch_size": 4, "pad_id": 0, "in_pairs": True, "epochs": 1} | changes
    return AnswerBatches(dataset, **settings)


def answers_of(batch, tokenizer):
    """(prompt + answer as far as it is read, what is learned of it) of every segment of a batch."""
    tokens, found = batch.tokens, []
    for row in range(len(tokens)):
        for segment in range(int(batch.per_row_B[row])):
            mine = (
                (tokens.segments_BT[row] == segment) if tokens.segments_BT is not None else torch.ones(120, dtype=bool)
            )
            learned = tokens.targets_BT[row][mine]
            found.append(
                (
                    tokenizer.decode(tokens.inputs_BT[row][mine].tolist()),
                    tokenizer.decode(learned[learned != -100].tolist()),
                )
            )
    return found


def test_only_the_answer_after_the_prompt_is_learned(byte_tokenizer):
    before = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "earlier"},
        {"role": "user", "content": "b"},
    ]
    row = {side: [*before, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    dataset = prepare_rows([row], byte_tokenizer, kind="preference")
    for i, side in enumerate(("chosen", "rejected")):
        ids, mask = dataset.example(i)
        assert byte_tokenizer.decode(ids[mask]) == side and ids[mask][-1] == byte_tokenizer.im_end_id
        assert ids[-1] == byte_tokenizer.endoftext_id and not mask[-1]  # so that the answer's last token is an input
    assert dataset.good.tolist() == [True, False]


def test_every_pair_is_whole_in_one_row_and_in_every_part_of_a_batch(byte_tokenizer):
    dataset = prepare_rows(PAIRS, byte_tokenizer, kind="preference")
    seen = []
    for batch in batches(dataset):
        for part in (batch, *batch.split(3)):
            assert part.count * 2 == len(part.answers_N) == int(part.per_row_B.sum())
            assert (part.answers_N[0::2] % 2 == 0).all() and (part.answers_N[1::2] == part.answers_N[0::2] + 1).all()
            for (text, learned), i in zip(answers_of(part, byte_tokenizer), part.answers_N.tolist()):
                ids, mask = dataset.example(i)
                assert text == byte_tokenizer.decode(ids[:-1]) and learned == byte_tokenizer.decode(ids[mask])
            ends = part.tokens.inputs_BT.flatten()[part.ends_N()]
            assert (ends == byte_tokenizer.im_end_id).all()  # the last token of every answer
        seen += batch.answers_N.tolist()
    assert sorted(seen) == list(range(80))


def test_rows_are_counted_and_go_on_where_they_were(byte_tokenizer):
    dataset = prepare_rows(PAIRS, byte_tokenizer, kind="preference")
    whole = batches(dataset, epochs=2)
    first = [next(whole) for _ in range(3)]
    state = whole.state_dict()
    rest = [batch.answers_N.tolist() for batch in whole]
    again = batches(dataset, epochs=2)
    again.load_state_dict(state)
    assert [batch.answers_N.tolist() for batch in again] == rest and first
    assert whole.readings == 2.0


def test_both_answers_stay_together_when_some_are_held_out(byte_tokenizer):
    for fraction in (0.05, 0.1, 0.33, 0.5):
        train, val = prepare_rows(PAIRS, byte_tokenizer, kind="preference").split(fraction)
        assert len(train) % 2 == len(val) % 2 == 0 and len(train) + len(val) == 80
        assert train.good[0::2].all() and not val.good[1::2].any()


def test_long_pairs_are_cut_at_the_longer_answer_first(byte_tokenizer):
    sizes = np.array([[30, 50], [10, 200], [200, 10], [90, 95], [200, 300]])
    assert shortened(sizes, 100).tolist() == [[30, 50], [10, 90], [90, 10], [50, 50], [50, 50]]
    rows = [pair("q", "good", "bad " + "x" * 300), pair("q", "a" * 300 + "1", "a" * 300 + "2"), *PAIRS[:2]]
    cut = batches(prepare_rows(rows, byte_tokenizer, kind="preference"))
    assert (cut.truncated, cut.dropped) == (1, 1)  # of the second pair nothing that differs would be left
    whole = batches(prepare_rows(rows, byte_tokenizer, kind="preference"), cut=False)
    assert (whole.truncated, whole.dropped) == (0, 2)
    assert sorted(i for batch in whole for i in batch.answers_N.tolist()) == [4, 5, 6, 7]


def test_when_no_pair_fits_that_is_said(byte_tokenizer):
    dataset = prepare_rows(PAIRS, byte_tokenizer, kind="preference")
    with pytest.raises(UserError, match=r"no answers of rows fit a row of 9 tokens: raise .*seq.len.*"):
        batches(dataset, seq_len=9)


def test_a_mismatched_answer_belongs_to_another_prompt(byte_tokenizer):
    rows = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}], "label": good}
        for q, a, good in [("one", "1", True), ("one", "eins", False), ("two", "2", True), ("three", "3", False)]
    ]
    dataset = prepare_rows(rows, byte_tokenizer, kind="judged")
    assert dataset.good.tolist() == [True, False, True, False]
    found = [dataset.example(i) for i in range(4)]
    others = [mismatch(dataset).example(i) for i in range(4)]
    assert [byte_tokenizer.decode(ids[mask]) for ids, mask in others] == ["2", "2", "3", "1"]
    for (ids, mask), (other, other_mask) in zip(found, others):
        assert ids[: mask.argmax()].tolist() == other[: other_mask.argmax()].tolist()
    batch = next(batches(dataset, in_pairs=False, mismatched=True))
    assert batch.count == 4 and batch.mismatched.count == sum(int(mask.sum()) for _, mask in others)
    parts = batch.split(2)
    assert all(part.whole == parts for part in parts)
    with pytest.raises(UserError, match="all answers of rows have the same prompt"):
        mismatch(prepare_rows(rows[:2], byte_tokenizer, kind="judged"))


def test_pairs_are_read_as_judged_answers_too(byte_tokenizer):
    trl = {"prompt": "q", "completion": "a", "label": False}
    dataset = prepare_rows([*PAIRS[:3], trl], byte_tokenizer, kind="judged")
    assert dataset.good.tolist() == [True, False] * 3 + [False] and dataset.together == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (pair("q", "same", "same"), "'chosen' equals 'rejected'"),
        (pair("q", "good", " "), "'rejected' is missing or empty"),
        (pair("q", "", "bad"), "'chosen' is missing or empty"),
        ({"chosen": PAIRS[0]["chosen"], "rejected": PAIRS[1]["rejected"]}, "answer different questions (message 1)"),
        (pair("q", "good", "bad", margin="much"), "'margin' must be a number, it is a string"),
        ({"prompt": "q", "completion": "a", "label": True}, "one judged answer and no pair"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_line_and_nothing_else_is_lost(row, reason, byte_tokenizer, write, capsys):
    path = write("pairs.jsonl", [*PAIRS[:2], row, PAIRS[2]])
    dataset = prepare(path, byte_tokenizer, kind="preference")
    assert len(dataset) == 6
    said = capsys.readouterr().err
    assert reason in said and "pairs.jsonl" in said and "3" in said
    found = check(path, byte_tokenizer)
    assert found.good == 3 and [bad.line for bad in found.bad] == [3] and reason in found.bad[0].reason


def test_the_check_shows_the_mask_of_training_and_counts_pairs_that_are_too_long(byte_tokenizer, write):
    path = write("pairs.jsonl", [pair("q", "good", "bad " + "x" * 200), *PAIRS[:3]])
    found = check(path, byte_tokenizer, seq_len=120)
    dataset = prepare(path, byte_tokenizer, kind="preference")
    assert found.kind == "preference" and found.trained == int(dataset.targets.sum())
    assert [example.name for example in found.examples[:2]] == ["chosen", "rejected"]
    assert (found.longer, found.lost) == (1, 0) and len(found.lengths) == 4
