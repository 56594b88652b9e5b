"""Measuring a machine: two anchors give two speeds, and nothing is measured twice."""

from __future__ import annotations

import dataclasses

import pytest

from fledge.errors import UserError
from fledge.model.presets import preset
from fledge.planning import measure
from fledge.planning.machines import CARDS, card, store_path, stored
from fledge.planning.measure import ANCHORS, neighbour, solve, this_machine
from fledge.planning.memory import Pass
from fledge.planning.work import computing, pass_flops, seconds_of, step_work


@pytest.fixture
def clock(monkeypatch):
    """Steps that take what a machine of 100 GFLOP/s and 10 GB/s needs; counts them."""
    taken = []

    def time_step(shape, step, optimizer, device="auto"):
        taken.append((shape, step))
        work = step_work(shape, step, optimizer, 1)
        return work.flops / 100e9 + work.bytes / 10e9

    monkeypatch.setattr(measure, "time_step", time_step)
    monkeypatch.setattr(measure.devices, "pick_precision", lambda name, device: "torch.bfloat16")
    monkeypatch.setattr(measure, "IDLE", 0.0)
    return taken


def test_speeds_come_back_from_two_steps(clock):
    machine = this_machine("cpu")
    assert machine.flops == pytest.approx(100e9) and machine.bandwidth == pytest.approx(10e9)
    assert machine.measured and machine.precision == "bf16" and machine.device == "cpu"


def test_a_machine_is_measured_once(clock):
    first = this_machine("cpu")
    assert this_machine("cpu") == first and len(clock) == len(ANCHORS)
    this_machine("cpu", again=True)
    assert len(clock) == 2 * len(ANCHORS)


def test_a_measurement_beside_other_programs_is_not_kept(clock, monkeypatch):
    monkeypatch.setattr(measure, "IDLE", 1e9)
    machine = this_machine("cpu")
    assert machine.busy and machine.flops == pytest.approx(100e9)
    assert stored("speed", machine.key) is None


def test_quick_never_measures(clock):
    machine = this_machine("cpu", quick=True)
    assert not clock and not machine.measured and machine.flops > 1e8
    measured = this_machine("cpu")
    assert this_machine("cpu", quick=True) == measured


def test_a_broken_cache_is_measured_again(clock):
    this_machine("cpu")
    store_path().write_text('{"speed": {"', encoding="utf-8")
    assert this_machine("cpu").flops == pytest.approx(100e9) and len(clock) == 2 * len(ANCHORS)


def test_noise_never_gives_a_negative_speed():
    """The wide step was measured while the machine was idle, the narrow one while it was not."""
    for narrow, wide in (((40e9, 1e9, 3.0), (300e9, 2e9, 1.0)), ((40e9, 1e9, 0.1), (300e9, 2e9, 9.0))):
        speed = solve(narrow, wide)
        assert 0 < speed["flops"] < 1e13 and 0 < speed["bandwidth"] < 1e12


def test_a_large_model_is_measured_on_a_neighbour(cpu):
    shape, step = preset("base-88m"), Pass(16, 256, "bf16")
    near, small = neighbour(cpu, shape, step, "muon")
    assert near.hidden_size == shape.hidden_size and near.vocab_size == shape.vocab_size
    assert near.num_hidden_layers < shape.num_hidden_layers and small.batch_size < step.batch_size
    assert neighbour(cpu, preset("cpu-2m"), Pass(4, 256), "muon") == (preset("cpu-2m"), Pass(4, 256))


def test_on_a_gpu_a_step_of_the_shape_corrects_the_arithmetic_once(monkeypatch):
    """The steps of this GPU take 1.5 times what was computed."""
    gpu = dataclasses.replace(card("3050"), measured=True, key="cuda: a card, bf16")
    taken = []

    def time_step(shape, step, optimizer, device="auto"):
        taken.append(shape)
        return 1.5 * seconds_of(step_work(shape, step, optimizer, 1), gpu)

    monkeypatch.setattr(measure, "time_step", time_step)
    shape, step = preset("small-34m"), Pass(4, 128, "bf16")
    for _ in range(2):
        assert measure.ratio(gpu, shape, step, "muon") == pytest.approx(1.5) and len(taken) == 1
    assert measure.ratio(card("3050"), shape, step, "muon") == 1.0 and len(taken) == 1


def test_flops_are_six_a_weight_and_token():
    shape = preset("cpu-4m")
    one_row = Pass(1, 1)
    assert pass_flops(shape, one_row) == pytest.approx(6 * computing(shape), rel=0.01)
    again = pass_flops(shape, Pass(1, 1, checkpoint=True))
    assert again - pass_flops(shape, one_row) == pytest.approx(2 * computing(shape), rel=0.1)
    longer = pass_flops(shape, Pass(1, 1024)) / 1024
    assert longer - 6 * computing(shape) == pytest.approx(12 * 1024 * 256 * shape.num_hidden_layers, rel=0.01)


def test_a_machine_needs_longer_for_more(cpu):
    def seconds(name: str, **changes) -> float:
        step = Pass(**{"batch_size": 8, "seq_len": 256, **changes})
        return seconds_of(step_work(preset(name), step, "muon", 1), cpu)

    assert seconds("cpu-2m") < seconds("cpu-4m") < seconds("small-34m") < seconds("base-88m")
    assert seconds("cpu-2m") < seconds("cpu-2m", checkpoint=True) < 1.5 * seconds("cpu-2m")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("8", "RTX 3050 8GB"),
        ("8GB", "RTX 3050 8GB"),
        ("4", "RTX 3050 4GB"),
        ("6", "RTX 3050 6GB"),
        ("12", "RTX 3060 12GB"),
        ("24", "RTX 3090 24GB"),
        ("RTX 3050", "RTX 3050 8GB"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090 24GB"),
        ("rtx 3050 4 GB", "RTX 3050 4GB"),
        ("4060", "RTX 4060 8GB"),
        ("A100 80GB", "A100 80GB"),
        ("Tesla T4", "T4 16GB"),
    ],
)
def test_cards_are_found_by_name_or_memory(asked, found):
    assert card(asked).name == found


@pytest.mark.parametrize("asked", ["RTX 9999", "7", "", "potato"])
def test_an_unknown_card_is_refused_with_what_there_is(asked):
    with pytest.raises(UserError, match="table"):
        card(asked)


def test_every_card_leaves_room_and_has_a_speed():
    for row in CARDS:
        machine = row.machine()
        assert 0 < machine.usable < row.memory_gb * 2**30 and not machine.measured
        assert "not" in machine.source() or "未" in machine.source()


@pytest.mark.slow
def test_the_real_machine_agrees_with_itself():
    """A shape that is no anchor, predicted from the anchors and then measured."""
    machine = this_machine("cpu", "fp32")
    shape, step = preset("cpu-2m", vocab_size=1024), Pass(4, 256, "fp32")
    predicted = seconds_of(step_work(shape, step, "muon", 1), machine)
    assert (
        0.4 < predicted / measure.time_step(shape, step, "muon", "cpu") < 2.5
    )  # other programs may run beside the tests
