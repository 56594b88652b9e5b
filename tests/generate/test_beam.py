from __future__ import annotations

import pytest
import torch

from fledge.generate import Generator, Sampling

WIDTHS = [(1, 1.0), (2, 1.0), (3, 0.0), (4, 2.0), (4, -1.0), (5, 1.0)]


@torch.inference_mode()
def logprobs_of(model, prompt, ids):
    logprobs = torch.log_softmax(model(torch.tensor([[*prompt, *ids[:-1]]]))[0, len(prompt) - 1 :], -1)
    return logprobs[torch.arange(len(ids)), torch.tensor(ids)]


def test_beams_find_texts_at_least_as_likely_and_report_their_log_probabilities(model, tokenizer, prompts):
    generator = Generator(model, tokenizer)
    generator.stop_ids = frozenset()  # equal lengths, so that sums can be compared
    greedy = generator.generate(prompts, Sampling(max_new_tokens=8, temperature=0))
    beams = generator.generate(prompts, Sampling(max_new_tokens=8, num_beams=6))
    gains = [sum(b.logprobs) - sum(g.logprobs) for b, g in zip(beams, greedy)]
    assert min(gains) > -1e-4 and max(gains) > 0.1
    for prompt, answer in zip(prompts, beams):
        expected = logprobs_of(model, prompt, answer.ids)
        torch.testing.assert_close(torch.tensor(answer.logprobs), expected, atol=1e-4, rtol=0)
    assert "".join(generator.stream(prompts[0], Sampling(max_new_tokens=8, num_beams=6))) == beams[0].text


def test_the_length_penalty_moves_the_length(model, tokenizer, prompts):
    generator = Generator(model, tokenizer)
    generator.stop_ids = frozenset(range(20))

    def total(length_penalty):
        wishes = Sampling(max_new_tokens=20, num_beams=4, length_penalty=length_penalty)
        return sum(len(a.ids) for a in generator.generate(prompts, wishes))

    assert total(0.0) < total(1.0) < total(3.0)


@pytest.mark.slow  # importing transformers takes long
@pytest.mark.parametrize("width, length_penalty", WIDTHS)
def test_the_same_answers_as_transformers(model, tokenizer, prompts, width, length_penalty):
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    peer = Qwen3ForCausalLM(Qwen3Config(**model.config.to_dict())).eval()
    peer.load_state_dict(model.state_dict())
    generator = Generator(model, tokenizer)
    prompts = prompts[:6]
    likely = generator.generate(prompts, Sampling(max_new_tokens=6, num_beams=2))
    stop_ids = [answer.ids[4] for answer in likely[:3]]  # tokens that the beams meet
    generator.stop_ids = frozenset(stop_ids)
    temperature = 0 if width == 1 else 0.7
    ours = generator.generate(
        prompts, Sampling(max_new_tokens=12, temperature=temperature, num_beams=width, length_penalty=length_penalty)
    )
    config = GenerationConfig(
        max_new_tokens=12, do_sample=False, num_beams=width, length_penalty=length_penalty,
        eos_token_id=stop_ids, pad_token_id=0, early_stopping=False,
    )  # fmt: skip
    for prompt, answer in zip(prompts, ours):
        expected = peer.generate(torch.tensor([prompt]), generation_config=config)[0, len(prompt) :].tolist()
        assert answer.ids == expected
    if length_penalty <= 1:
        assert any(answer.finish_reason == "stop" for answer in ours), "the test should see beams that end"
