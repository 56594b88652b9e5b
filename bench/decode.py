"""Tokens a second of the generator beside transformers' `generate`: the same weights, prompts and greedy answers, by turns.

One prompt alone, and a batch of 16 prompts of 6 and 7 tokens, 32 new tokens each. The weights are those of --model (a Llama,
Qwen3 or Mistral folder), by default random ones in the shape of SmolLM2-135M, whose vocabulary of 49,152 makes the last layer
and the sampler count. Needs transformers. About three minutes.

Beside the clock stands what the main thread computed ("cpu"): on a machine that does something else as well its ratio moves
less. Sampling is measured for ours alone: the peer's random numbers are others, and so are its texts.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from _record import bar, record

SMOLLM2_135M = {
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "rope_theta": 100000.0,
    "rms_norm_eps": 1e-5,
}
SMALL = {**SMOLLM2_135M, "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2}
NEW, ROWS, REPEATS = 32, 16, 5
SAMPLED = {"temperature": 0.7}, {"temperature": 0.7, "top_p": 0.9}


def random_folder(shape: dict[str, Any], folder: Path) -> Path:
    """A model folder with weights that no training has seen, but none of them 0."""
    import torch

    from fledge.model.config import ModelConfig
    from fledge.model.folder import save_model
    from fledge.model.transformer import Transformer

    model = Transformer(ModelConfig(**shape)).init_weights(0)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.data.normal_(0, parameter.shape[-1] ** -0.5, generator=generator)
    save_model(model, folder)
    return folder


def prompts(count: int, vocab_size: int) -> list[list[int]]:
    """Prompts of 6 and 7 tokens by turns; the longest first, so that one alone has 7."""
    import torch

    generator = torch.Generator().manual_seed(1)
    return [torch.randint(5, vocab_size, (7 - i % 2,), generator=generator).tolist() for i in range(count)]


class Ours:
    def __init__(self, folder: Path, dtype: Any) -> None:
        from fledge.generate import Generator
        from fledge.model.folder import load_model

        model = load_model(folder, dtype=dtype)
        nothing = SimpleNamespace(im_end_id=0, endoftext_id=0, vocab_size=0)
        self.generator = Generator(model, nothing)  # type: ignore[arg-type]
        self.generator.stop_ids = frozenset()  # every answer is NEW tokens long

    def answer(self, rows: list[list[int]], **sampling: Any) -> list[list[int]]:
        from fledge.generate import Sampling

        found = self.generator.generate(rows, Sampling(max_new_tokens=NEW, seed=0, **{"temperature": 0, **sampling}))
        return [row.ids for row in found]


class Theirs:
    def __init__(self, folder: Path, dtype: Any) -> None:
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        self.model.generation_config.update(eos_token_id=None, pad_token_id=0, do_sample=False)

    def answer(self, rows: list[list[int]]) -> list[list[int]]:
        import torch

        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
        seen = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        made = self.model.generate(ids, attention_mask=seen, max_new_tokens=NEW, temperature=None, top_p=None)
        return made[:, longest:].tolist()


def timed(answer: Callable[[], list[list[int]]]) -> tuple[list[list[int]], dict[str, float]]:
    begun, thread = time.perf_counter(), time.thread_time()
    found = answer()
    tokens = sum(map(len, found))
    return found, {
        "tokens_per_second": tokens / (time.perf_counter() - begun),
        "tokens_per_cpu_second": tokens / (time.thread_time() - thread),
    }


def race(ours: Ours, theirs: Theirs, rows: list[list[int]], repeats: int) -> dict[str, Any]:
    """Both by turns, each once before it counts."""
    ours.answer(rows), theirs.answer(rows)
    turns = []
    for _ in range(repeats):
        (mine, one), (peers, other) = timed(lambda: ours.answer(rows)), timed(lambda: theirs.answer(rows))
        same = sum(a == b for a, b in zip(mine, peers))
        turns.append((one, other))
    result: dict[str, Any] = {"prompts": len(rows), "same_answers": same}
    for name, short in (("tokens_per_second", ""), ("tokens_per_cpu_second", "cpu_")):
        result[f"ours_{name}"] = [round(one[name], 1) for one, _ in turns]
        result[f"transformers_{name}"] = [round(other[name], 1) for _, other in turns]
        result[f"{short}ratio"] = round(median(one[name] / other[name] for one, other in turns), 3)
    return result


def sampled(ours: Ours, rows: list[list[int]], repeats: int) -> dict[str, float]:
    """Tokens a second by how tokens are chosen."""
    found = {}
    for wishes in SAMPLED:
        answer = functools.partial(ours.answer, rows, **wishes)
        name = " ".join(f"{name} {value}" for name, value in wishes.items())
        found[name] = round(median(timed(answer)[1]["tokens_per_second"] for _ in range(repeats)), 1)
    return found


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", help="a model (`smollm2`, a folder); by default random weights of SmolLM2-135M's shape"
    )
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--smoke", action="store_true", help="a tiny model, one turn, and no result file")
    chosen = parser.parse_args(argv)
    repeats = 1 if chosen.smoke else chosen.repeats
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

    import torch

    from fledge.device import package_version, set_threads
    from fledge.model.source import find_model

    if package_version("transformers") is None:
        raise SystemExit("transformers is not installed: pip install transformers")
    threads = set_threads()
    numbers: dict[str, Any] = {}
    bars: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        random = SMALL if chosen.smoke else SMOLLM2_135M
        folder = find_model(chosen.model) if chosen.model else random_folder(random, Path(name))
        for precision in chosen.precisions:
            dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
            ours, theirs = Ours(folder, dtype), Theirs(folder, dtype)
            vocab_size = ours.generator.model.config.vocab_size
            for count in (1, ROWS):
                rows = prompts(count, vocab_size)
                found = race(ours, theirs, rows, repeats)
                print(f"{precision}, {count} prompts: {found}", flush=True)
                numbers[f"{precision}, {count} prompts"] = found
                bars[f"{precision}, {count} prompts: tokens a second over transformers'"] = bar(
                    found["ratio"], ">=", 1.0
                )
            numbers[f"{precision}, {ROWS} prompts, sampled"] = sampled(ours, prompts(ROWS, vocab_size), repeats)
    record(
        "decode",
        smoke=chosen.smoke,
        model=Path(chosen.model).name if chosen.model else "random weights of SmolLM2-135M's shape",
        transformers=package_version("transformers"),
        threads=threads,
        new_tokens=NEW,
        repeats=repeats,
        **numbers,
        bars=bars,
    )


if __name__ == "__main__":
    main()
