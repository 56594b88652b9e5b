"""The sections of gpu.py. Each is a generator of (name, numbers): what it found so far stands when it fails or runs out of time.

`python bench/_gpu.py SECTION FILE DEVICE [small]` appends them to FILE as JSON lines. Small shapes are for a machine without a
card, where they show that the section runs.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from _record import RESULTS, ROOT

Found = Iterator[tuple[str, Any]]
PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12}  # FLOP/s in bf16 without sparsity, NVIDIA's data sheets (SXM)


def attention(device: str, small: bool) -> Found:
    """Packed rows of documents, grouped queries, bf16, forward and backward: what ours does beside what it could do."""
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from fledge.parts.reference import attention as ours
    from fledge.parts.reference import explicit_attention

    B, T, H, G, D, size = (2, 32, 4, 2, 8, 8) if small else (32, 512, 8, 4, 96, 128)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(B, heads, T, D, generator=generator).to(device, dtype).requires_grad_() for heads in (H, G, G)
    )
    place = torch.arange(T, device=device)
    seen = (place[:, None] >= place) & (place[:, None] // size == place // size)
    mask = torch.zeros((), dtype=dtype, device=device).masked_fill(~seen, float("-inf")).expand(B, 1, T, T).contiguous()
    ends = torch.arange(0, B * T + 1, size, device=device, dtype=torch.int32)

    def formula() -> Any:
        with sdpa_kernel(SDPBackend.MATH):
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)

    def rows() -> Any:
        """The query heads of a group as more rows, the mask once for each."""
        grouped = q.reshape(B, G, H // G * T, D)
        return F.scaled_dot_product_attention(grouped, k, v, attn_mask=mask.repeat(1, 1, H // G, 1)).view(B, H, T, D)

    def by_lengths() -> Any:
        from torch.nn.attention.varlen import varlen_attn

        flat = (x.transpose(1, 2).reshape(B * T, -1, D) for x in (q, k, v))
        out = varlen_attn(*flat, ends, ends, size, size, window_size=(-1, 0), enable_gqa=True)
        return out.view(B, T, H, D).transpose(1, 2)

    def flex() -> Callable[[], Any]:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        run = flex_attention if device == "cpu" else torch.compile(flex_attention)
        blocks = create_block_mask(lambda b, h, i, j: (i >= j) & (i // size == j // size), B, None, T, T, device=device)
        return lambda: run(q, k, v, block_mask=blocks, enable_gqa=True)

    expected = explicit_attention(q.float(), k.float(), v.float(), mask.float()).detach()
    ways: dict[str, Callable[[], Callable[[], Any]]] = {
        "ours": lambda: lambda: ours(q, k, v, mask),
        "torch's formula": lambda: formula,
        "groups as rows": lambda: rows,
        "flash attention by lengths": lambda: by_lengths,
        "one document a row, no mask": lambda: lambda: ours(q, k, v, None),
        "FlexAttention": flex,  # last: it compiles
    }
    for name, prepare in ways.items():
        try:
            way = prepare()
            numbers = cost(lambda way=way: way().float().square().sum().backward(), device)  # type: ignore[misc]
            error = (way().float() - expected).abs().max().item()
            yield name, numbers | ({} if "no mask" in name else {"largest_error": error})
        except Exception as failure:  # a kernel that this card or this torch does not have
            yield name, {"failed": one_line(failure)}


def experts(device: str, small: bool) -> Found:
    """A mixture's layer forward and backward, one expert after the other and as one product."""
    import torch

    from fledge.model.config import ModelConfig
    from fledge.model.layers import MoE
    from fledge.parts import REFERENCE

    size, inner, tokens = (32, 16, 64) if small else (512, 1024, 16384)
    config = ModelConfig(
        model_type="qwen3_moe", hidden_size=size, num_experts=8, num_experts_per_tok=2, moe_intermediate_size=inner
    )
    layer = MoE(config, REFERENCE).to(device)
    x = torch.randn(1, tokens, size, device=device, dtype=torch.bfloat16, requires_grad=True)
    yield "ours takes", "one product" if layer.is_grouped(x) else "one by one"
    for name, grouped in (("one by one", False), ("one product", True)):
        layer.is_grouped = lambda _, grouped=grouped: grouped  # type: ignore[method-assign,misc]
        try:
            yield name, cost(lambda: layer(x, None).float().square().sum().backward(), device)
        except Exception as failure:
            yield name, {"failed": one_line(failure)}


def decode(device: str, small: bool) -> Found:
    """Tokens a second of the generator, alone and in a batch: weights kept in bf16, cast at every call, and fp32."""
    import torch

    from fledge.generate import Generator, Sampling
    from fledge.model.folder import load_model, save_model
    from fledge.model.presets import preset
    from fledge.model.transformer import Transformer

    new = 8 if small else 64
    shape = preset("cpu-2m", vocab_size=512) if small else preset("minimind-3")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        save_model(Transformer(shape).init_weights(0), name)
        for kind, dtype, computed in (
            ("bf16 kept", torch.bfloat16, torch.bfloat16),
            ("bf16 cast at every call", torch.float32, torch.bfloat16),
            ("fp32", torch.float32, torch.float32),
        ):
            model = load_model(name, device=device, dtype=dtype)
            model.compute_dtype = computed
            generator = Generator(model, SimpleNamespace(im_end_id=0, endoftext_id=0, vocab_size=0))  # type: ignore[arg-type]
            generator.stop_ids = frozenset()
            for count in (1, 4 if small else 64):
                prompts = [[5 + i, 6, 7, 8][: 4 - i % 2] for i in range(count)]
                sampling = Sampling(max_new_tokens=new, temperature=0.7, seed=0)
                seconds = cost(lambda g=generator, p=prompts, s=sampling: g.generate(p, s), device)["seconds"]  # type: ignore[misc]
                yield f"{kind}, {count} prompts", {"tokens_per_second": round(count * new / seconds)}


def mfu(device: str, small: bool) -> Found:
    """Whole training steps through `fledge.train`: tokens a second, as a share of the card's peak and of a large product."""
    import torch
    from race_minimind import flops_per_token

    from fledge.device import matmul_gflops
    from fledge.model.presets import preset

    limit = matmul_gflops(device, "bfloat16", 256 if small else 8192) * 1e9
    name = torch.cuda.get_device_name() if device == "cuda" else ""
    peak = next((flops for card, flops in PEAK.items() if card in name), None)
    yield "matmul_flops_per_second", limit
    cases: list[tuple[str, str, dict[str, Any]]] = (
        [("2M", "cpu-2m", {"seq_len": 32, "batch_size": 2, "steps": 6, "compile": "off"})]
        if small
        else [
            ("64M", "minimind-3", {"seq_len": 512, "batch_size": 64, "steps": 40, "compile": "off"}),
            ("285M", "large-285m", {"seq_len": 1024, "batch_size": 32, "steps": 24, "compile": "off"}),
            ("64M compiled", "minimind-3", {"seq_len": 512, "batch_size": 64, "steps": 60, "compile": "on"}),
        ]
    )
    with training_data(small) as data:
        for case, shape, settings in cases:
            try:
                run = train(data, device, preset=shape, **settings)
            except Exception as failure:
                yield case, {"failed": one_line(failure)}
                continue
            lines = [line for line in run.metrics() if "loss" in line]
            half = lines[len(lines) // 2 :]
            speed = (half[-1]["tokens"] - half[0]["tokens"]) / (half[-1]["seconds"] - half[0]["seconds"])
            flops = speed * flops_per_token(preset(shape), settings["seq_len"] / 2)
            yield (
                case,
                {
                    "tokens_per_second": round(speed),
                    "precision": run.info["precision"],
                    "memory_mb": run.info["results"]["memory_mb"],
                    "share_of_matmul": round(flops / limit, 4),
                    "mfu": None if peak is None else round(flops / peak, 4),
                }
                | ({"micro_batch": run.info["micro_batch"]} if "micro_batch" in run.info else {}),
            )


def planner(device: str, small: bool) -> Found:
    """Predicted memory over torch's own peak, in short runs of one process."""
    import torch

    shapes = ["cpu-2m"] if small else ["cpu-6m", "small-34m", "base-88m", "moe-8m"]
    with training_data(small) as data:
        for shape in shapes:
            for recompute in (False, True):
                if device == "cuda":
                    torch.cuda.empty_cache()
                    torch.cuda.reset_peak_memory_stats()
                settings = {"seq_len": 64 if small else 512, "batch_size": 2 if small else 16, "steps": 4}
                run = train(data, device, preset=shape, checkpoint_activations=recompute, compile="off", **settings)
                predicted, actual = (run.info["plan"][f"{kind}_memory_mb"] for kind in ("predicted", "actual"))
                yield (
                    f"{shape}{', recomputed' if recompute else ''}",
                    {"predicted_mb": predicted, "actual_mb": actual, "ratio": round(predicted / actual, 3)},
                )


def memory_runs_out(device: str, small: bool) -> Found:
    """A step far too large for 8 GB, on a card that has no more: computed in parts, it must learn what the whole step learns."""
    import torch

    rows = 8 if small else 256
    settings = {"preset": "cpu-2m" if small else "base-88m", "seq_len": 32 if small else 512, "steps": 3}
    losses = {}
    with training_data(small) as data:
        for case, gigabytes in (("8 GB", 8), ("no limit", None)):
            if device == "cuda":
                torch.cuda.empty_cache()
                total = torch.cuda.get_device_properties(0).total_memory
                torch.cuda.set_per_process_memory_fraction(min(1.0, gigabytes * 2**30 / total) if gigabytes else 1.0)
                torch.cuda.reset_peak_memory_stats()
            run = train(data, device, batch_size=rows, compile="off", **settings)
            losses[case] = [line["loss"] for line in run.metrics() if "loss" in line]
            yield (
                case,
                {
                    "status": run.info["status"],
                    "rows_of_a_step": rows,
                    "micro_batch": run.info.get("micro_batch"),
                    "memory_mb": run.info["results"]["memory_mb"],
                    "losses": losses[case],
                },
            )
    yield "largest_difference_of_a_loss", max(abs(a - b) for a, b in zip(losses["8 GB"], losses["no limit"]))


def tests(device: str, small: bool) -> Found:
    """The suite's own tests of a card."""
    where = ["tests/training/test_cuda.py"] if small else []
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-n", "0", "-rfE", "--tb=line", *where]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    yield "exit_code", done.returncode
    yield "last_lines", lines[-40:]


def race(device: str, small: bool) -> Found:
    """MiniMind's own loop and ours by turns, one turn of the 64M shape."""
    command = [sys.executable, "bench/race_minimind.py", "--device", device, "--shapes", "64M", "--repeats", "1"]
    subprocess.run([*command, *(["--smoke"] if small else [])], cwd=ROOT, check=True)
    if not small:
        yield "race_minimind", json.loads((RESULTS / "race_minimind_cuda.json").read_text(encoding="utf-8"))["numbers"]


SECTIONS: dict[str, tuple[Callable[[str, bool], Found], int]] = {  # name -> (what it does, its limit in seconds)
    "attention": (attention, 50),
    "experts": (experts, 20),
    "decode": (decode, 40),
    "mfu": (mfu, 90),
    "planner": (planner, 50),
    "memory_runs_out": (memory_runs_out, 40),
    "tests": (tests, 100),
    "race": (race, 90),
}


def cost(step: Callable[[], Any], device: str, least: float = 0.3) -> dict[str, float]:
    """Median seconds of a call (after one that does not count) and the most memory that torch held beyond what was there."""
    import torch

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    step()
    wait()
    before = torch.cuda.memory_allocated() if device == "cuda" else 0
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < least and len(taken) < 50):
        begun = time.perf_counter()
        step()
        wait()
        taken.append(time.perf_counter() - begun)
    peak = {"peak_mb": round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)} if device == "cuda" else {}
    return {"seconds": median(taken), **peak}


class training_data(tempfile.TemporaryDirectory):  # type: ignore[type-arg]
    """A folder with a text file of short documents and a tokenizer, for runs that are measured and thrown away."""

    def __init__(self, small: bool) -> None:
        super().__init__(ignore_cleanup_errors=True)
        self.documents = 500 if small else 20_000

    def __enter__(self) -> Path:  # type: ignore[override]
        from fledge.tokenizer import Tokenizer

        folder, draw = Path(super().__enter__()), random.Random(0)
        words = ["".join(draw.choices("aeioubdgklmnprst", k=draw.randint(2, 8))) for _ in range(2000)]
        texts = [" ".join(draw.choices(words, k=draw.randint(20, 200))) + "." for _ in range(self.documents)]
        (folder / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
        Tokenizer.train(texts[:500], 1000).save(folder / "tokenizer")
        return folder


def train(data: Path, device: str, **settings: Any) -> Any:
    """A run of `fledge.train` on that folder."""
    import fledge

    return fledge.train(
        "pretrain",
        data=[str(data / "texts.txt")],
        tokenizer=str(data / "tokenizer"),
        device=device,
        precision="fp32" if device == "cpu" else "auto",
        val_tokens=512,
        **settings,
    )


def one_line(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {' '.join(str(failure).split())[:300]}"


def main(section: str, file: str, device: str, *small: str) -> None:
    with open(file, "a", encoding="utf-8") as out:
        for name, numbers in SECTIONS[section][0](device, bool(small)):
            print(f"{section}: {name}: {numbers}", flush=True)
            out.write(json.dumps({name: numbers}) + "\n")
            out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
