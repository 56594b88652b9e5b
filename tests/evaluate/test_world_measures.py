"""Bits per kind of knowledge and rates per family, on a tiny world and with models whose answers are known."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
import torch
from rich.console import Console

from fledge.evaluate import world as measures
from fledge.evaluate.report import print_world
from fledge.evaluate.world import evaluate_world, measure_text, span_bits
from fledge.generate import Completion
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.tokenizer import Tokenizer
from fledge.world import World
from fledge.world.grammar import Span
from fledge.world.probes import probes
from fledge.world.text import Document, documents


@pytest.fixture(scope="module")
def world():
    return World.build("tiny", 0)


@pytest.fixture(scope="module")
def tokenizer(world):
    return Tokenizer.train([document.text for document in documents(world, 100)], 400)


@pytest.fixture(scope="module")
def uniform(tokenizer):
    """A model that finds every token equally likely."""
    config = ModelConfig(vocab_size=tokenizer.vocab_size, hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    model = Transformer(config)
    torch.nn.init.zeros_(model.lm_head.weight)
    return model


class Answering:
    """In the generator's place: says `answer(probe)` to every probe."""

    def __init__(self, world, tokenizer, answer):
        self.batch_size = 7
        self.said = {tuple(tokenizer.prompt_ids(list(p.messages))): answer(p) for p in probes(world, 20)}

    def generate(self, prompts, sampling):
        assert sampling.temperature == 0
        return [Completion([], [], self.said[tuple(prompt)], "stop") for prompt in prompts]


def test_a_token_over_two_spans_is_split_after_its_leading_space():
    spans = (Span(0, 4, "name", 0.0), Span(4, 11, "template", 0.0), Span(11, 14, "common", 0.0))
    document = Document("Anna is in 湖镇.", "both", "", 0.0, spans)
    tokens = [b"An", b"na i", b"s", b" in", " 湖".encode(), "镇.".encode()]
    bits = np.array([1.0, 4.0, 2.0, 3.0, 8.0, 4.0, 0.5])
    paid, sizes = span_bits(document, tokens, bits)
    assert paid == pytest.approx([1 + 4 * 2 / 4, 4 * 2 / 4 + 2 + 3, 8 + 4 + 0.5])
    assert sizes == [4, 7, 7]
    with pytest.raises(ValueError, match="every byte"):
        span_bits(document, tokens[1:], bits[1:])


def test_nothing_is_lost_between_tags_languages_and_the_whole(world, tokenizer, uniform):
    texts = list(documents(world, 40, split="validation"))
    overall, by_tag = measure_text(uniform, tokenizer, texts)
    tokens = sum(len(tokenizer.encode(d.text)) + 1 for d in texts)
    size = sum(len(d.text.encode()) for d in texts)
    assert overall["all"].bytes == size == sum(b.bytes for b in by_tag.values())
    assert overall["all"].bpb * size == pytest.approx(tokens * math.log2(tokenizer.vocab_size))
    assert overall["all"].floor * size == pytest.approx(sum(d.bits for d in texts))
    for kinds in (by_tag, {lang: overall[lang] for lang in ("zh", "en", "both")}):
        for measure in ("bpb", "floor"):
            total = sum(getattr(bits, measure) * bits.bytes for bits in kinds.values())
            assert total == pytest.approx(getattr(overall["all"], measure) * size)
    assert 0 < overall["all"].half_width < overall["all"].bpb


@pytest.mark.parametrize("language", ["zh", "en"])
def test_who_knows_everything_is_right_everywhere_and_who_always_answers_hallucinates(
    world, tokenizer, uniform, monkeypatch, language
):
    monkeypatch.setenv("FLEDGE_LANG", language)
    knows = Answering(world, tokenizer, lambda probe: probe.answers[0] if probe.answers else "I don't know.")
    monkeypatch.setattr(measures, "Generator", lambda model, tokenizer: knows)
    shares: list[float] = []
    report = evaluate_world(uniform, tokenizer, world, num_bytes=3000, per_family=20, advance=shares.append)
    assert sum(shares) == pytest.approx(1)
    rates = {family: rate.value for family, rate in report.rates.items()}
    assert rates.pop("format") < 1, "this model does not know the forms"
    assert rates.pop("hallucination") == 0
    assert rates == dict.fromkeys(rates, 1.0) and len(rates) >= 6
    assert report.rates["fact_seen_form"].n == sum(
        report.rates_by_lang[lang]["fact_seen_form"].n for lang in ("zh", "en")
    )
    data = json.loads(json.dumps(report.to_dict()))
    assert data["rates"]["fact_seen_form"]["low"] > data["rates"]["fact_seen_form"]["chance"] > 0

    console = Console(record=True, width=120, file=io.StringIO())
    print_world(report, console)
    shown = console.export_text()
    assert ("幻觉" if language == "zh" else "hallucination") in shown and "100.0%" in shown and "[" in shown


def test_who_always_names_something_hallucinates_and_who_never_does_knows_nothing(
    world, tokenizer, uniform, monkeypatch
):
    def rates(answer):
        monkeypatch.setattr(measures, "Generator", lambda model, _: Answering(world, tokenizer, answer))
        return measures.rates(measures.ask(uniform, tokenizer, probes(world, 20)))

    assert rates(lambda probe: "42 apples")["hallucination"].value == 1
    silent = rates(lambda probe: "I don't know.")
    assert silent["hallucination"].value == 0 and silent["fact_seen_form"].value == 0
