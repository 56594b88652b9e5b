"""The same rewards, answers and model in TRL's GRPOTrainer: the same advantages, losses and gradients."""

from __future__ import annotations

import pytest
import torch

from fledge.jobs import find_job
from fledge.jobs.job import Material, Setting
from fledge.jobs.settings import job_config
from fledge.model.folder import load_model
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from tests.jobs.test_fit import pretrain, tokenizer  # noqa: F401 (a fixture)
from tests.jobs.test_online import SMALL, TASKS

pytestmark = pytest.mark.slow  # importing trl takes long
BETA, CLIP, HIGH, LONGEST = 0.3, 0.1, {"grpo": 0.1, "dr_grpo": 0.1, "dapo": 0.28, "cispo": 1.05}, 10


@pytest.fixture
def learner(tokenizer, request):  # noqa: F811
    """With a rollout that its policy has moved away from: ratios are not 1, and some tokens are clipped."""
    base = pretrain(tokenizer, run="base").model_dir
    config = job_config(
        "grpo", **SMALL | {"rewards": ["length=3", "repetition"], "beta": BETA, "clip": CLIP, "reuse": 2, "model": "base",
        "optimizer": "adamw", "loss": request.param, "clip_high": HIGH[request.param]}
    ).with_rates()  # fmt: skip
    setting = Setting(config, load_model(base), Tokenizer.load(base), base, Material(TASKS, TASKS[:4]))
    made = find_job("grpo").objective(setting)
    made.batch_drawn = next(made.batches)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
    return made


def padded(learner, name: str) -> torch.Tensor:
    """A column of the samples as TRL has it: an answer a row, padded on the right."""
    samples = learner.batches.rollout.chunks[0]
    longest = max(sample.num_chosen for sample in samples)
    return torch.tensor([sample.columns[name] + [0.0] * (longest - sample.num_chosen) for sample in samples])


def inputs_of(learner) -> dict[str, torch.Tensor]:
    samples = learner.batches.rollout.chunks[0]
    longest, prompt = max(s.num_chosen for s in samples), max(s.num_prompt for s in samples)
    answers = [s.ids[s.num_prompt :] for s in samples]
    return {
        "prompt_ids": torch.tensor([[0] * (prompt - s.num_prompt) + s.prompt for s in samples]),
        "prompt_mask": torch.tensor([[0] * (prompt - s.num_prompt) + [1] * s.num_prompt for s in samples]),
        "completion_ids": torch.tensor([a + [0] * (longest - len(a)) for a in answers]),
        "completion_mask": torch.tensor([[1] * len(a) + [0] * (longest - len(a)) for a in answers]),
        "old_per_token_logps": padded(learner, "old"),
        "ref_per_token_logps": padded(learner, "reference"),
        "advantages": torch.tensor([s.columns["advantage"][0] for s in samples]),
        "num_items_in_batch": torch.tensor(float(sum(map(len, answers)))),
    }


def theirs_of(learner, loss: str, tmp_path):
    from datasets import Dataset
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM
    from trl import GRPOConfig, GRPOTrainer

    peer = Qwen3ForCausalLM(Qwen3Config(**learner.model.config.to_dict()))
    peer.load_state_dict(learner.model.state_dict())
    args = GRPOConfig(
        output_dir=str(tmp_path), loss_type=loss, beta=0.0, epsilon=CLIP, epsilon_high=HIGH[loss], num_generations=4,
        per_device_train_batch_size=12, max_completion_length=LONGEST, use_cpu=True, bf16=False, report_to=[],
        gradient_checkpointing=False, steps_per_generation=1, num_iterations=2,
        use_bias_correction_kl=False,  # the k3 of the papers; TRL can also weigh it by the ratio
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=peer, args=args, reward_funcs=lambda completions, **rest: [0.0] * len(completions),
        train_dataset=Dataset.from_list([{"prompt": "a"}] * 12),
        processing_class=AutoTokenizer.from_pretrained(Run.open("base").model_dir),
    )  # fmt: skip
    trainer.beta = BETA  # set now: earlier the trainer would look for a reference on the hub
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    value = trainer._compute_loss(trainer.model, inputs_of(learner))
    value.backward()
    return value, {name: p.grad for name, p in peer.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("learner, loss", [(loss, loss) for loss in HIGH], indirect=["learner"])
def test_losses_and_gradients_equal_those_of_trl(learner, loss, tmp_path):
    batch = learner.batch_drawn
    ours = learner.loss(batch)
    (ours.sum / batch.count).backward()
    theirs, gradients = theirs_of(learner, loss, tmp_path)
    assert ours.metrics["clipped"][0] > 0 and ours.metrics["kl"][0] > 0
    assert (ours.sum / batch.count).item() == pytest.approx(theirs.item(), abs=1e-5)
    mine = {name: p.grad for name, p in learner.model.named_parameters()}
    assert gradients.keys() == mine.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(mine[name], gradient, atol=1e-5, rtol=1e-3, msg=name)
