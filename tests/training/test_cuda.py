"""What only a graphics card can show: `pytest -m gpu` where there is one."""

from __future__ import annotations

import gc

import pytest
import torch

import fledge
from fledge.model.presets import preset
from fledge.model.transformer import Transformer
from fledge.training.loop import Fit
from tests.training.resume_jobs import TEXTS, prepare, run_stage

CARD = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: these tests need one"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLEDGE_RUNS", "FLEDGE_CACHE", "OMP_NUM_THREADS"):
            patch.setenv(name, "")
        prepare(folder)
        yield folder


@pytest.fixture(autouse=True)
def empty_card():
    """Peaks are those of one test alone, and its limit ends with it."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def limit(megabytes: float) -> None:
    """From here on the card has no more memory than that (without what CUDA itself takes)."""
    torch.cuda.set_per_process_memory_fraction(megabytes * 2**20 / torch.cuda.get_device_properties(0).total_memory)


def losses(run) -> list[float]:
    return [line["loss"] for line in run.metrics() if "loss" in line]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("stage", ["pretrain", "pretrain a mixture of experts", "sft with replay"])
def test_a_card_learns_what_a_cpu_learns(root, stage, precision):
    name = f"{stage} {precision}"
    here = run_stage(root, stage, f"{name} cpu", steps=12, device="cpu")
    there = run_stage(root, stage, f"{name} card", steps=12, device=CARD, precision=precision)
    assert there.info["machine"]["device"] == CARD
    assert losses(there) == pytest.approx(losses(here), rel=1e-2 if precision == "fp32" else 5e-2)


def test_packed_documents_do_not_see_each_other():
    model = Transformer(preset("cpu-2m", vocab_size=300)).init_weights(0).to(CARD)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.data.normal_(0, 0.02)
    ids = torch.randint(300, (1, 64), device=CARD)
    segments = torch.arange(64, device=CARD)[None] // 24
    positions = torch.arange(64, device=CARD)[None] % 24
    packed = model(ids, positions_BT=positions, segments_BT=segments)
    alone = torch.cat([model(ids[:, i : i + 24]) for i in range(0, 64, 24)], dim=1)
    assert torch.allclose(packed, alone, atol=1e-3)


def test_an_interrupted_run_goes_on(root, monkeypatch):
    whole = run_stage(root, "pretrain", "whole", steps=9, device=CARD)
    step = Fit._step

    def until_four(self, progress):
        step(self, progress)
        if self.step == 4:
            self.stop()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Fit, "_step", until_four)
        run_stage(root, "pretrain", "cut", steps=9, device=CARD)
    cut = run_stage(root, "pretrain", "cut", steps=9, device=CARD, resume=True)
    assert losses(cut) == pytest.approx(losses(whole), rel=1e-4)


def test_when_the_card_is_full_the_batch_is_computed_in_parts(root):
    limit(torch.cuda.memory_reserved() / 2**20 + 400)
    run = run_stage(root, "pretrain", "full", steps=3, device=CARD, batch_size=4096)
    assert run.info["status"] == "done" and run.info["micro_batch"] < 4096
    assert [line["tokens"] for line in run.metrics() if "loss" in line] == [4096 * 48 * n for n in (1, 2, 3)]


@pytest.mark.parametrize("shape", ["cpu-6m", "small-34m", "base-88m"])
@pytest.mark.parametrize("recompute", [False, True])
def test_the_planner_knows_what_torch_allocates(root, shape, recompute):
    run = fledge.train(
        "pretrain",
        rows=TEXTS * 200,
        tokenizer=str(root / "tokenizer"),
        preset=shape,
        steps=5,
        seq_len=256,
        batch_size=16,
        checkpoint_activations=recompute,
        device=CARD,
        compile="off",
    )
    plan = run.info["plan"]
    assert plan["predicted_memory_mb"] == pytest.approx(plan["actual_memory_mb"], rel=0.25)


@pytest.mark.parametrize("gigabytes", [4, 6, 8, 12, 24])
@pytest.mark.parametrize("profile", ["conservative", "standard", "aggressive"])
def test_the_profiles_of_a_card_fit_it(root, tmp_path, gigabytes, profile):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS * 20_000), encoding="utf-8")
    plan = fledge.plan("pretrain", profile=profile, card=str(gigabytes), data=[str(path)])
    if torch.cuda.get_device_properties(0).total_memory < gigabytes * 2**30:
        pytest.skip(f"this card has less than {gigabytes} GB")
    limit(gigabytes * 1024 - 700)  # CUDA's own context, and what a desktop shows
    asked = ("preset", "set", "seq_len", "batch_size", "accumulation_steps", "checkpoint_activations", "optimizer")
    settings = {name: getattr(plan.config, name) for name in asked}
    run = fledge.train(
        "pretrain", data=[str(path)], tokenizer=str(root / "tokenizer"), steps=3, device=CARD, compile="off", **settings
    )
    assert run.info["status"] == "done" and "micro_batch" not in run.info


def test_greedy_answers_are_those_of_the_cpu(root):
    run = run_stage(root, "pretrain", "writes", steps=30, device=CARD)
    prompts = ["the red cat", "猫坐在"]
    texts = [
        [
            made.text
            for made in fledge.load(run.model_dir, device=device).complete(prompts, temperature=0.0, max_new_tokens=24)
        ]
        for device in ("cpu", CARD)
    ]
    assert texts[0] == texts[1]


def test_a_compiled_model_learns_the_same(root):
    pytest.importorskip("triton", reason="torch.compile needs triton here")
    plain = run_stage(root, "pretrain", "plain", steps=8, device=CARD, compile="off")
    compiled = run_stage(root, "pretrain", "compiled", steps=8, device=CARD, compile="on")
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-2)


def packed_inputs(vocab: int, rows: int, tokens: int, size: int) -> dict[str, torch.Tensor]:
    place = torch.arange(tokens, device=CARD).expand(rows, -1)
    ids = torch.randint(vocab, (rows, tokens), device=CARD)
    return {"ids_BT": ids, "positions_BT": place % size, "segments_BT": place // size}


def nothing_is_zero(model: Transformer) -> Transformer:
    for parameter in model.parameters():
        if not parameter.any():
            parameter.data.normal_(0, 0.02)
    return model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_packed_rows_never_hold_the_whole_matrix_of_weights(dtype):
    """Grouped queries, a mask, forward and backward: what torch's own formula would keep for one layer must not fit."""
    shape = preset("small-34m", vocab_size=300, num_hidden_layers=2)
    model = nothing_is_zero(Transformer(shape).init_weights(0)).to(CARD)
    model.compute_dtype = dtype
    inputs = packed_inputs(300, 4, 4096, 512)
    model.hidden(**inputs).float().square().mean().backward()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    model.hidden(**inputs).float().square().mean().backward()
    weights = 4 * shape.num_attention_heads * 4096**2 * 4
    assert torch.cuda.max_memory_allocated() - before < weights


def new_enough() -> bool:
    return torch.cuda.get_device_properties(0).major in (9, 10)


@pytest.mark.parametrize("name", ["small-34m", "moe-8m"])
def test_the_forward_pass_never_waits_for_the_card(name):
    if name.startswith("moe") and not new_enough():
        pytest.skip("on this card experts run one after the other, and the host reads how many tokens each has")
    model = Transformer(preset(name, vocab_size=300)).init_weights(0).to(CARD)
    model.compute_dtype = torch.bfloat16
    inputs = packed_inputs(300, 2, 256, 64)
    model.hidden(**inputs)
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.hidden(**inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_experts_as_one_product_compute_what_one_after_the_other_computes(monkeypatch):
    if not new_enough():
        pytest.skip("this card has no kernel for it")
    layer = nothing_is_zero(Transformer(preset("moe-8m", vocab_size=300)).init_weights(0)).to(CARD).model.layers[0].mlp
    x = torch.randn(4, 100, 256, device=CARD, dtype=torch.bfloat16, requires_grad=True)
    weight = torch.randn(4, 100, 256, device=CARD)
    assert layer.is_grouped(x)
    found = []
    for grouped in (True, False):
        monkeypatch.setattr(layer, "is_grouped", lambda _, grouped=grouped: grouped)
        out = layer(x, None)
        found.append((out.float(), *torch.autograd.grad((out * weight).sum(), [x, *layer.parameters()])))
    for one, other in zip(*found):
        assert (one.float() - other.float()).norm() <= 2e-2 * other.float().norm()


def test_a_compiled_mixture_of_experts_is_compiled_once(root):
    pytest.importorskip("triton", reason="torch.compile needs triton here")
    model = nothing_is_zero(Transformer(preset("moe-8m", vocab_size=300, num_hidden_layers=2)).init_weights(0)).to(CARD)
    model.compute_dtype = torch.bfloat16
    hidden = model.compiled_hidden()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(4):
            inputs = packed_inputs(300, 2, 64, 32)
            router: list[torch.Tensor] = []
            found = hidden(**inputs, router_logits=router)
            found.float().sum().backward()
            expected = model.hidden(**inputs)
            assert (found - expected).abs().max() <= 5e-2 * expected.abs().max()


def test_weights_for_generation_are_kept_in_the_precision_of_the_card(root):
    run = run_stage(root, "pretrain", "kept", steps=5, device=CARD)
    exact, fast = fledge.load(run.model_dir), fledge.load(run.model_dir, precision="auto")
    assert {p.dtype for p in exact.model.parameters()} == {torch.float32}
    assert {p.dtype for p in fast.model.parameters()} == {fast.model.compute_dtype} != {torch.float32}
    prompts = ["the red cat", "猫坐在垫子上", "the"]  # of several lengths: with a mask
    assert len(fast.complete(prompts, temperature=0.0, max_new_tokens=8)) == 3
