"""The dial: more time never gives a smaller model, and what is known to work comes out."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from fledge.errors import UserError
from fledge.jobs.settings import job_config
from fledge.model.presets import preset
from fledge.planning.budget import (
    COUNTING,
    COUNTING_STEPS,
    LADDER,
    batch_tokens,
    choose,
    countable,
    length,
    row_length,
    short_rows,
    vocabulary,
    wanted,
    warnings,
)
from fledge.planning.facts import Size
from fledge.planning.machines import card
from fledge.planning.work import computing
from fledge.training.config import parse_duration

PLAYS = Size(1_004_000, 1_004_000)  # tinyshakespeare without its last tenth
MIX = Size(21_170_000, 680)  # en_mix + zh_mix
TIMES = [15, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600, 7 * 86400]


def shape_of(chosen: dict):
    return preset(chosen["preset"], **{"vocab_size": chosen["vocab_size"], **chosen["set"]})


@pytest.mark.parametrize("size", [PLAYS, MIX, Size(2_000_000_000, 900), Size(30_000, 100)])
@pytest.mark.parametrize("where", ["cpu", "RTX 3050", "H100"])
def test_more_time_never_gives_a_smaller_model(size, where, cpu):
    machine = cpu if where == "cpu" else card(where)
    shapes = [shape_of(choose(size, seconds, machine)) for seconds in TIMES]
    for earlier, later in itertools.pairwise(shapes):
        assert computing(later) >= computing(earlier)


@pytest.mark.parametrize(
    ("size", "seconds", "width", "layers"),
    [(MIX, 60, 256, 2), (MIX, 600, 256, 3), (PLAYS, 40, 256, 2), (PLAYS, 120, 256, 3), (PLAYS, 300, 256, 5)],
)
def test_what_did_best_in_docs_log_is_chosen(size, seconds, width, layers, cpu):
    chosen = choose(size, seconds, cpu)
    shape = shape_of(chosen)
    assert (shape.hidden_size, shape.num_hidden_layers) == (width, layers)
    batch, row = (16, 128) if size is MIX else (8, 256)  # rows are short for short documents
    assert (chosen["batch_size"], chosen["seq_len"], chosen["accumulation_steps"]) == (batch, row, 1)


def test_more_time_never_gives_shorter_rows_and_more_tokens_never_smaller_steps(cpu):
    chosen = [choose(MIX, seconds, cpu) for seconds in TIMES]
    for earlier, later in itertools.pairwise(chosen):
        assert later["seq_len"] >= earlier["seq_len"]
    assert sorted(map(batch_tokens, [1e5, 5e6, 5e7, 1e9, 1e13])) == list(map(batch_tokens, [1e5, 5e6, 5e7, 1e9, 1e13]))


def test_a_faster_machine_gets_a_larger_model(cpu):
    fast = dataclasses.replace(cpu, flops=50 * cpu.flops, bandwidth=50 * cpu.bandwidth)
    assert computing(shape_of(choose(MIX, 600, fast))) > computing(shape_of(choose(MIX, 600, cpu)))


def test_what_is_chosen_is_a_train_config_that_checks(cpu):
    for size, seconds in itertools.product([PLAYS, MIX], TIMES):
        job_config("pretrain", **choose(size, seconds, cpu)).check()


def test_a_short_text_bounds_the_model(cpu):
    tiny = Size(30_000, 100)
    assert computing(shape_of(choose(tiny, 7 * 86400, cpu))) <= computing(shape_of(choose(PLAYS, 7 * 86400, cpu)))
    assert computing(shape_of(choose(tiny, 7 * 86400, cpu))) < computing(shape_of(choose(MIX, 7 * 86400, cpu)))


def test_memory_bounds_the_model(cpu):
    text = Size(2_000_000_000, 900)
    fast = dataclasses.replace(cpu, flops=1e15, bandwidth=1e14)
    small, large = (choose(text, 86400, dataclasses.replace(fast, memory_gb=gb)) for gb in (3.0, 64.0))
    assert computing(shape_of(small)) < computing(shape_of(large))


def test_what_the_user_gave_is_kept(cpu):
    chosen = choose(MIX, 600, cpu, vocab_size=640, seq_len=128)
    assert chosen["vocab_size"] == 640 and chosen["seq_len"] == 128
    assert choose(MIX, 600, cpu)["seq_len"] == 128 and choose(MIX, 600, cpu, short=False)["seq_len"] == 256


def test_a_budget_of_no_steps_is_refused_with_one_that_works(cpu):
    slow = dataclasses.replace(cpu, flops=cpu.flops / 100, bandwidth=cpu.bandwidth / 100)
    with pytest.raises(UserError, match=r"--budget (\d+\w)") as refused:
        choose(MIX, 2, slow)
    better = str(refused.value).split("--budget ")[1].split()[0]
    assert choose(MIX, parse_duration(better), slow)["preset"] == LADDER[0][0]


def test_few_steps_are_warned_of_with_a_budget_that_has_enough(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert warnings(50, MIX, 0.1, 10.0) == []
    (sentence,) = warnings(20, MIX, 0.1, 10.0)
    assert "20 steps" in sentence and "--budget 25s" in sentence
    assert warnings(20, MIX, 0.1, None) == []  # --steps 20 is what was asked for
    (sentence,) = warnings(500, PLAYS, 40.0, 600.0)
    assert "40 times" in sentence


def test_a_model_wants_more_tokens_than_its_share():
    assert wanted(1.77e6) == 1.5e6
    assert wanted(3.54e6) > 2 * wanted(1.77e6)
    assert 9e9 < wanted(393e6) < 14e9  # nanochat's depth 20 has as many in its blocks and was trained on 11.2B tokens


def test_vocabulary_grows_with_the_text():
    assert [vocabulary(mb * 1e6) for mb in (0.01, 1, 30, 1e6)] == [512, 3072, 16768, 32768]


def test_counting_takes_a_small_share_of_the_time(cpu):
    for seconds in (30, 600):
        products = COUNTING_STEPS * 6 * countable(seconds, cpu) ** 2 * 256
        assert 0.9 * COUNTING * seconds < products / cpu.flops <= COUNTING * seconds
    assert choose(MIX, 30, cpu)["vocab_size"] == countable(30, cpu) < vocabulary(MIX.num_bytes)


def test_rows_are_short_while_few_tokens_of_short_documents_are_read():
    assert short_rows(5e6, 230) and not short_rows(7e6, 230) and not short_rows(5e6, 900)


def test_rows_grow_with_the_model():
    assert [row_length(width) for width in (256, 512, 1024)] == [256, 512, 1024]


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1s"), (89.1, "90s"), (600, "10m"), (601, "11m"), (9000, "3h")])
def test_a_length_of_time_reads_as_it_is_typed(seconds, text):
    assert length(seconds) == text and parse_duration(text) >= seconds
