"""Profiles: within the memory, ordered, with a reason for everything, and never against the user."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from fledge.errors import UserError
from fledge.jobs import JOBS, find_job
from fledge.jobs.settings import job_config
from fledge.planning.facts import ASSUMED, Size
from fledge.planning.machines import SHOWN, card
from fledge.planning.profiles import PROFILES, profile_named, profile_settings, proposals, why_enough

TEXT = Size(1_600_000_000, 1100)


def made(job, machine, given=(), size=TEXT, **settings):
    return proposals(find_job(job).planning, job_config(job, **settings), set(given), machine, size, measure=False)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("name", [*SHOWN, "cpu"])
def test_every_profile_fits_its_share_and_says_why(job, name, cpu):
    found = made(job, cpu if name == "cpu" else card(name), size=ASSUMED[find_job(job).rows])
    assert [proposal.profile for proposal in found] == list(PROFILES)
    for proposal in found:
        plan = proposal.plan
        assert plan.fits and plan.total_mb * 2**20 <= max(proposal.profile.share * plan.machine.usable, 0)
        assert set(proposal.settings) - {"preset", "set", "vocab_size"} <= set(proposal.reasons)
        assert all(proposal.reasons.values())
        job_config(job, **proposal.settings).check()
    for careful, bold in itertools.pairwise(found):
        if bold.reasons.get("budget") != why_enough(
            ASSUMED[find_job(job).rows]
        ):  # a faster model has read enough sooner
            assert careful.plan.run_seconds <= 1.001 * bold.plan.run_seconds
        assert careful.plan.config.seq_len <= bold.plan.config.seq_len


def test_a_typed_setting_is_never_overridden():
    typed = {"batch_size": 3, "seq_len": 96, "preset": "cpu-4m", "steps": 77, "checkpoint_activations": True}
    for proposal in made("pretrain", card("3050"), given=typed, **typed):
        assert not set(typed) & set(proposal.settings)
        config = proposal.plan.config
        assert all(getattr(config, name) == value for name, value in typed.items())
        assert proposal.plan.steps == 77 and config.accumulation_steps > 1


def test_profile_settings_are_what_the_table_shows(cpu):
    config = job_config("pretrain", data=[])
    shown = made("pretrain", cpu)[1].settings
    by_name, in_chinese = (
        profile_settings(find_job("pretrain").planning, name, config, set(), cpu, TEXT) for name in ("standard", "标准")
    )
    assert by_name == in_chinese == {"steps": None, "epochs": None} | shown


def test_a_profiles_length_replaces_the_default_one(cpu):
    """Fine-tuning by a profile goes by epochs, though a run without a length has a budget."""
    config = job_config("sft", budget="5m")
    facts = find_job("sft").planning
    changed = dataclasses.replace(config, **profile_settings(facts, "standard", config, set(), cpu, TEXT))
    assert changed.budget is None and changed.epochs == 2.0
    kept = profile_settings(facts, "standard", config, {"budget"}, cpu, TEXT)
    assert not {"steps", "epochs", "budget"} & set(kept)


def test_a_small_card_saves_memory_in_order(cpu):
    """Fewer rows, more accumulation and then checkpoints, for the same rows a step."""
    fixed = {"preset": "large-285m", "seq_len": 512, "epochs": 1.0}
    big, small, tiny = (made("pretrain", card(name), given=fixed, **fixed)[1].plan for name in ("80", "12", "8"))
    assert big.config.batch_size > small.config.batch_size
    assert not big.step.checkpoint and not small.step.checkpoint and tiny.step.checkpoint
    rows = [plan.config.batch_size * plan.config.accumulation_steps for plan in (big, small, tiny)]
    assert len(set(rows)) == 1


def test_what_does_not_fit_says_so(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    fixed = {"preset": "large-285m", "seq_len": 1024}
    for proposal in made("pretrain", card("4"), given=fixed, **fixed):
        assert not proposal.plan.fits and "does not" not in proposal.reasons["seq_len"]
        assert "not even this fits" in proposal.reasons["batch_size"]


def test_a_short_text_is_not_read_all_night(cpu):
    plays = Size(1_004_000, 1_004_000)
    for proposal in made("pretrain", cpu, size=plays)[1:]:
        assert proposal.plan.readings < 6


def test_a_frozen_reference_needs_the_memory_of_one_more_model(cpu):
    facts = find_job("pretrain").planning
    typed = {"preset": "small-34m", "batch_size": 4, "seq_len": 256, "budget": "10m"}

    def planned(facts):
        return proposals(facts, job_config("pretrain", **typed), set(typed), cpu, TEXT, measure=False)[1].plan

    plain, beside = planned(facts), planned(dataclasses.replace(facts, frozen=1))
    weights = 1.6 * 4 * plain.shape.num_parameters()["total"] / 2**20
    assert beside.total_mb - plain.total_mb == pytest.approx(weights, rel=0.01)


def test_an_unknown_profile_is_refused():
    assert profile_named("保守").name == "conservative"
    with pytest.raises(UserError, match="conservative"):
        profile_named("careful")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_reasons_are_in_the_readers_language(lang, monkeypatch, cpu):
    monkeypatch.setenv("FLEDGE_LANG", lang)
    for proposal in made("pretrain", cpu):
        chinese = [any("一" <= character <= "鿿" for character in reason) for reason in proposal.reasons.values()]
        assert all(chinese) if lang == "zh" else not any(chinese)
