"""Losses and gradients of preference learning equal TRL's, on one tiny model and the same pairs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from fledge import jobs
from fledge.jobs.job import Material, Setting
from fledge.jobs.settings import job_config
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.reward import RewardModel, RewardTransformer
from fledge.model.transformer import Transformer
from fledge.tokenizer import Tokenizer

pytestmark = pytest.mark.slow

PAIRS = [
    {
        "prompt": [{"role": "user", "content": f"where is cat number {n}?"}],
        "chosen": [{"role": "assistant", "content": f"it sat on mat {n}" + " and slept" * (n % 3) + "."}],
        "rejected": [{"role": "assistant", "content": "who knows" + " that" * (n % 4) + "?"}],
        "margin": 0.1 * n,
    }
    for n in range(6)
]
AWAY = 2  # a seed with which the model moves so that KTO's reference point is above 0
TEMPLATE = (  # an answer ends with its end token: TRL would learn a line break after it
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}"
    "{{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random Qwen3 whose weights are large enough to prefer things."""
    folder = tmp_path_factory.mktemp("tiny")
    texts = [turn["content"] for row in PAIRS for key in ("prompt", "chosen", "rejected") for turn in row[key]]
    tokenizer = Tokenizer.train(texts * 3, 330)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save(folder)
    ids = {
        "bos_token_id": tokenizer.endoftext_id,
        "eos_token_id": tokenizer.im_end_id,
        "pad_token_id": tokenizer.endoftext_id,
    }
    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "head_dim": 16,
    }
    model = Transformer(ModelConfig(vocab_size=tokenizer.vocab_size, **shape, **ids)).init_weights(1)
    _shake(model, 0.1)
    save_model(model, folder)
    return folder


def _shake(model, size, offset=0):
    """The same numbers onto the weights of the same names, whoever made the model."""
    with torch.no_grad():
        for name, parameter in sorted(dict(model.named_parameters()).items()):
            if not name.startswith(("score", "lm_head")):
                seed = sum(map(ord, name)) + offset
                parameter += size * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))


def ours(folder, job, **settings):
    """(mean loss, gradients, objective) of all pairs at once, away from the reference."""
    config = job_config(job, model=str(folder), seq_len=256, batch_size=8, **settings)
    model, tokenizer = load_model(folder), Tokenizer.load(folder)
    objective = jobs.find_job(job).objective(Setting(config, model, tokenizer, folder, Material(PAIRS)))
    if job == "dpo":
        _shake(objective.model, 0.02, AWAY)
    batch = next(objective.rows.in_order(64))
    loss = objective.loss(batch)
    (loss.sum / loss.count).backward()
    named = objective.model.named_parameters()
    return loss.sum.item() / loss.count, {n: p.grad for n, p in named if p.grad is not None}, (objective, batch)


def compare(found, gradients, loss, theirs):
    assert found == pytest.approx(float(loss), abs=1e-5)
    loss.backward()
    named = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    assert named.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, named[name], rtol=1e-3, atol=1e-5), name


def their_trainer(kind, config, folder, tmp_path, model, rows=PAIRS, **settings):
    from datasets import Dataset
    from transformers import AutoTokenizer

    args = config(
        output_dir=str(tmp_path), per_device_train_batch_size=6, report_to=[], use_cpu=True, bf16=False, **settings
    )
    return kind(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )


@pytest.mark.parametrize("loss", ["dpo", "ipo"])
def test_dpo_and_ipo(folder, tmp_path, loss):
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    found, gradients, _ = ours(folder, "dpo", loss=loss, beta=0.3)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows = [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in PAIRS]
    kind = {"dpo": "sigmoid", "ipo": "ipo"}[loss]
    trainer = their_trainer(
        DPOTrainer, DPOConfig, folder, tmp_path, model, rows, loss_type=kind, beta=0.3, precompute_ref_log_probs=True
    )
    batch = next(iter(trainer.get_train_dataloader()))
    _shake(model, 0.02, AWAY)
    compare(found, gradients, trainer.compute_loss(model, batch), model)


def test_kto(folder, tmp_path):
    """With our mismatched answers in the place of TRL's, which it draws otherwise."""
    from transformers import AutoModelForCausalLM
    from trl import KTOConfig, KTOTrainer

    found, gradients, (_, ours_batch) = ours(folder, "dpo", loss="kto", beta=0.3, good_weight=1.2, bad_weight=0.7)
    assert ours_batch.point > 0
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows = [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row in PAIRS
        for side in ("chosen", "rejected")
    ]
    trainer = their_trainer(
        KTOTrainer, KTOConfig, folder, tmp_path, model, rows, beta=0.3, desirable_weight=1.2, undesirable_weight=0.7,
        precompute_ref_log_probs=True,
    )  # fmt: skip
    trainer.args.per_device_train_batch_size = 12
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(12)])
    _shake(model, 0.02, AWAY)
    # The reference point is a number of the batch: TRL's own shifts answers within the batch, ours pairs them over the data.
    point = torch.tensor(ours_batch.point)
    trainer._compute_kl_logps = lambda *_: batch["ref_KL_logps"] + point
    compare(found, gradients, trainer.compute_loss(model, batch), model)


def test_rewards(folder, tmp_path):
    from transformers import AutoModelForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    start = tmp_path / "reward"
    judge = RewardTransformer.of(load_model(folder))
    torch.nn.init.normal_(judge.score.weight, generator=torch.Generator().manual_seed(3))
    save_model(judge, start)
    Tokenizer.load(folder).save(start)
    model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=1)
    rows = [
        {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"], "margin": row["margin"]}
        for row in PAIRS
    ]
    trainer = their_trainer(RewardTrainer, RewardConfig, start, tmp_path, model, rows, center_rewards_coefficient=0.05)
    batch = next(iter(trainer.get_train_dataloader()))
    config = job_config("reward", model=str(folder), seq_len=256, batch_size=8, centre=0.05)
    material = Material(PAIRS)
    objective = jobs.find_job("reward").objective(
        Setting(config, load_model(folder), Tokenizer.load(folder), folder, material)
    )
    with torch.no_grad():
        objective.model.score.weight.copy_(judge.score.weight)
    loss = objective.loss(next(objective.rows.in_order(64)))
    (loss.sum / loss.count).backward()
    gradients = {n: p.grad for n, p in objective.model.named_parameters() if p.grad is not None}
    compare(loss.sum.item() / loss.count, gradients, trainer.compute_loss(model, batch), model)
    # and the scores of a loaded folder are transformers'
    scores = RewardModel.load(start).scores([row["chosen"] for row in rows])
    theirs = model(**{k: v for k, v in batch.items() if k in ("input_ids", "attention_mask")}).logits[:6, 0]
    assert sorted(scores) == pytest.approx(sorted(theirs.tolist()), abs=1e-4)


def test_simpo_and_orpo_and_smoothed_dpo():
    """TRL's trainers of these are heavy: their loss functions on the same log-probabilities."""
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    from fledge.training import preference

    generator = torch.Generator().manual_seed(0)
    chosen, rejected = (-20 * torch.rand(2, 8, generator=generator)).unbind()
    lengths = tuple(torch.randint(2, 9, (2, 8), generator=generator).unbind())
    means = chosen / lengths[0], rejected / lengths[1]
    base = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu"),
        beta=2.0,
        simpo_gamma=0.8,
        label_smoothing=0.0,
        loss_type="simpo",
        alpha=0.0,
    )
    theirs = CPOTrainer.cpo_loss(base, *means)[0]
    assert torch.allclose(preference.simpo_loss(chosen, rejected, 2.0, 0.8, lengths), theirs, atol=1e-5)
    smoothed = SimpleNamespace(**vars(base) | {"loss_type": "sigmoid", "label_smoothing": 0.2})
    zero = torch.zeros(8)
    theirs = CPOTrainer.cpo_loss(smoothed, chosen, rejected)[0]
    assert torch.allclose(preference.dpo_loss(chosen, rejected, zero, zero, 2.0, 0.2), theirs, atol=1e-5)
    orpo = SimpleNamespace(**vars(base) | {"beta": 0.1})
    theirs = -means[0] - ORPOTrainer.odds_ratio_loss(orpo, *means)[0]
    assert torch.allclose(preference.orpo_loss(chosen, rejected, 0.1, lengths), theirs, atol=1e-5)
