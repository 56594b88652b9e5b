"""Thinking rows: the tags weigh more, the rest is fine-tuning, and the world writes such rows."""

from __future__ import annotations

import pytest

from fledge.errors import UserError
from fledge.jobs.job import Material
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.tokenizer import Tokenizer
from fledge.world import World
from fledge.world.twohop import traces, two_hop_questions
from tests.jobs.test_fit import TEXTS, pretrain, tokenizer  # noqa: F401 (a fixture)

THINKING = [
    {
        "conversations": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": "<think>\nthe cat sat\n</think>\n\n猫坐。"},
        ]
    }
    for text in TEXTS
]


def trained(job, base, **changes):
    settings = {"seq_len": 64, "batch_size": 4, "precision": "fp32", "steps": 2, "model": str(base.path), **changes}
    run = run_job(job, job_config(job, **settings), Material(THINKING, THINKING[:4]))
    return [row for row in run.metrics() if "loss" in row]


def test_a_tag_weighs_what_was_asked_for_and_1_is_plain_fine_tuning(tokenizer):  # noqa: F811
    base = pretrain(tokenizer, run="base")
    plain, same, heavy = (trained("sft", base), trained("reason", base, tag_weight=1), trained("reason", base))
    assert [row["loss"] for row in same] == pytest.approx([row["loss"] for row in plain], rel=1e-5)
    first, targets = heavy[0], plain[0]["targets"]
    tags = 2 * targets // rendered(base)  # an opening and a closing one in every row
    assert first["loss"] == pytest.approx(plain[0]["loss"] + 9 * first["tags"] * tags / targets, rel=1e-3)


def rendered(base) -> int:
    """Learnt tokens of a row."""
    return sum(Tokenizer.load(base.model_dir).render_ids(THINKING[0]["conversations"])[1])


def test_a_tokenizer_without_the_tags_is_one_sentence(tokenizer, tmp_path, monkeypatch):  # noqa: F811
    base = pretrain(tokenizer, run="plain base")
    monkeypatch.setattr(Tokenizer, "vocabulary", lambda self: {"a": 1})
    with pytest.raises(UserError, match=r"no token for <think>: give --tag-weight 1"):
        trained("reason", base)
    assert len(trained("reason", base, tag_weight=1)) == 2


def test_traces_say_both_facts_and_are_not_what_is_measured():
    world = World.build("tiny", 0)
    rows = [row for lang in ("zh", "en") for row in traces(world, lang)]
    measured = {question.text for lang in ("zh", "en") for question in two_hop_questions(world, lang, held_out=True)}
    assert rows and not measured & {row["conversations"][0]["content"] for row in rows}
    for row in rows:
        said = row["conversations"][1]
        assert said["content"].rstrip(".。").lower() in said["reasoning_content"].lower()
    assert all("reasoning_content" not in row["conversations"][1] for row in traces(world, "en", thinking=False))
