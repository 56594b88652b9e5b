"""The generator against the plainest possible one: run the whole text again for every token."""

from __future__ import annotations

import pytest
import torch

from fledge.errors import UserError
from fledge.generate import Generator, Sampling


@pytest.fixture
def generator(model, tokenizer):
    generator = Generator(model, tokenizer, batch_size=5)
    generator.stop_ids = frozenset(range(40))  # so many that rows end at different times
    return generator


@torch.inference_mode()
def greedy_without_cache(model, prompt, stop_ids, room):
    ids = list(prompt)
    for _ in range(room):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
        if ids[-1] in stop_ids:
            break
    return ids[len(prompt) :]


def test_batched_greedy_equals_one_by_one_without_a_cache(generator, model, prompts):
    answers = generator.generate(prompts, Sampling(max_new_tokens=15, temperature=0))
    assert [a.ids for a in answers] == [greedy_without_cache(model, p, generator.stop_ids, 15) for p in prompts]
    assert {a.finish_reason for a in answers} == {"stop", "length"}, "the test should see both"


def test_a_sampled_answer_depends_on_its_own_seed_only(generator, prompts):
    together = generator.generate(prompts, Sampling(max_new_tokens=12, temperature=0.9, seed=100))
    for i, prompt in enumerate(prompts):
        [alone] = generator.generate([prompt], Sampling(max_new_tokens=12, temperature=0.9, seed=100 + i))
        assert alone.ids == together[i].ids
    [longer] = generator.generate(prompts[:1], Sampling(max_new_tokens=40, temperature=0.9, seed=100))
    assert longer.ids[: len(together[0].ids)] == together[0].ids
    other = generator.generate(prompts, Sampling(max_new_tokens=12, temperature=0.9, seed=500))
    assert [a.ids for a in other] != [a.ids for a in together]


def test_without_a_seed_torchs_own_decides_and_with_one_it_is_left_alone(generator, prompts):
    def draw(seed):
        return [a.ids for a in generator.generate(prompts, Sampling(max_new_tokens=6, temperature=1, seed=seed))]

    torch.manual_seed(0)
    first, second = draw(None), draw(None)
    torch.manual_seed(0)
    assert draw(None) == first != second
    before = torch.get_rng_state()
    draw(3)
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("temperature", [0, 0.7, 1.3])
def test_log_probabilities_are_those_of_a_training_forward_pass(generator, model, prompts, temperature):
    answers = generator.generate(prompts, Sampling(max_new_tokens=20, temperature=temperature, seed=1))
    for prompt, answer in zip(prompts, answers):
        ids = torch.tensor([*prompt, *answer.ids])
        logits = model(ids[None, :-1])[0, len(prompt) - 1 :] / (temperature or 1)
        expected = torch.log_softmax(logits, -1)[torch.arange(len(answer.ids)), ids[len(prompt) :]]
        torch.testing.assert_close(torch.tensor(answer.logprobs), expected, atol=1e-4, rtol=0)


def test_the_repetition_penalty_knows_prompt_and_answer(generator, model, prompts):
    generator.stop_ids = frozenset()
    answers = generator.generate(prompts, Sampling(max_new_tokens=30, temperature=0, repetition_penalty=1e6))
    for prompt, answer in zip(prompts, answers):
        assert len(set(prompt + answer.ids)) == len(set(prompt)) + 30


def test_training_goes_on_after_generating(make_model, tokenizer, prompts):
    model = make_model().train()
    Generator(model, tokenizer).generate(prompts, Sampling(max_new_tokens=5, seed=0))
    next(Generator(model, tokenizer).stream(prompts[0], Sampling(max_new_tokens=5, seed=0)))  # left half-way
    assert model.training
    model(torch.tensor([prompts[3]])).sum().backward()
    assert model.lm_head.weight.grad.abs().sum() > 0


def test_rows_that_end_leave_and_equal_prompts_are_read_once(scripted, tokenizer):
    model = scripted([50] * 10 + [tokenizer.im_end_id] * 10)
    prompts = [[9] * 4, [9] * 8, [9] * 8, [9] * 8]
    answers = Generator(model, tokenizer).generate(prompts, Sampling(temperature=0))
    assert model.shapes == [(2, 8)] + [(4, 1)] * 3 + [(1, 1)] * 4
    assert [len(a.ids) for a in answers] == [8, 4, 4, 4]


def test_the_control_token_is_reported_but_not_shown(scripted, tokenizer):
    model = scripted([0, *tokenizer.encode("hi"), tokenizer.im_end_id])
    [answer] = Generator(model, tokenizer).generate([[1, 1]], Sampling(temperature=0.5, seed=0))
    assert (answer.text, answer.finish_reason) == ("hi", "stop")
    assert answer.ids == [*tokenizer.encode("hi"), tokenizer.im_end_id] and len(answer.logprobs) == 3


def test_length_ends_it_at_the_limit_and_at_the_end_of_the_context(scripted, tokenizer):
    model = scripted([60] * 30, context=12)
    generator = Generator(model, tokenizer)
    answers = generator.generate([[5] * 4, [5] * 10, [5] * 11], Sampling(max_new_tokens=3, temperature=0))
    assert [(len(a.ids), a.finish_reason) for a in answers] == [(3, "length"), (2, "length"), (1, "length")]
    for bad in ([], [5] * 12):
        with pytest.raises(UserError):
            generator.generate([[5], bad], Sampling())
    assert generator.generate([], Sampling()) == []


STOPPED = [
    ("one two three END four", ("two th",), "one "),
    ("héllo wörld", ("ör", "wör"), "héllo "),
    ("aab", ("ab",), "a"),
]


@pytest.mark.parametrize("said, stop, shown", STOPPED)
def test_stop_strings_may_span_tokens_and_are_never_shown(scripted, tokenizer, said, stop, shown):
    script = [0, 0, *tokenizer.encode(said), tokenizer.im_end_id]
    generator = Generator(scripted(script), tokenizer)
    sampling = Sampling(temperature=0, stop=stop)
    [answer] = generator.generate([[1, 1, 1]], sampling)
    assert (answer.text, answer.finish_reason) == (shown, "stop")
    assert "".join(generator.stream([1, 1, 1], sampling)) == shown


def test_what_only_looks_like_a_stop_string_is_shown_in_the_end(scripted, tokenizer):
    generator = Generator(scripted([0, *tokenizer.encode("stopp"), 2]), tokenizer)
    assert "".join(generator.stream([1, 1], Sampling(temperature=0, stop=("pper", "stopx")))) == "stopp"


def test_the_stream_never_breaks_a_character(scripted, tokenizer):
    said = "你好，😀 é world"
    generator = Generator(scripted([0, *tokenizer.encode(said), 2]), tokenizer)
    pieces = list(generator.stream([1, 1], Sampling(temperature=0)))
    assert pieces == list(said)
    [cut] = generator.generate([[1, 1]], Sampling(temperature=0, max_new_tokens=4))
    assert "".join(generator.stream([1, 1], Sampling(temperature=0, max_new_tokens=4))) == cut.text == "你\ufffd"


def test_on_token_hears_every_token_in_order(generator, prompts):
    heard: dict[int, list[int]] = {i: [] for i in range(len(prompts))}
    answers = generator.generate(prompts, Sampling(max_new_tokens=8, seed=0), lambda i, token: heard[i].append(token))
    assert list(heard.values()) == [a.ids for a in answers]


@pytest.mark.parametrize(
    "wishes",
    [
        {"max_new_tokens": 0}, {"temperature": -1}, {"temperature": float("nan")}, {"top_k": -1}, {"top_p": 0},
        {"top_p": 1.1}, {"min_p": 2}, {"repetition_penalty": 0}, {"num_beams": 0}, {"stop": ("",)},
        {"num_beams": 2, "top_k": 4},
    ],
)  # fmt: skip
def test_impossible_wishes_are_refused_by_name(wishes):
    with pytest.raises(UserError, match=max(wishes, key=lambda name: name == "num_beams")):
        Sampling(**wishes)
