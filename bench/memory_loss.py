"""Memory and time of one training step at Qwen's vocabulary: our chunked loss beside cross-entropy over whole logits.

A small body, so that the loss is what costs: hidden 256, 2 layers, 1,024 tokens, fp32, forward, backward and optimizer.
Each measurement is a child process of its own; a step on a few tokens comes first, so that the optimizer's state and
torch's own buffers are there before the baseline is read. Linux only (it reads /proc). About a minute.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from _record import bar, record

VOCAB, HIDDEN, LAYERS, TOKENS = 151_936, 256, 2, 1024
LOSSES = ("chunked", "plain")
WARM_UP = 64  # tokens of the first step


def resident_mb() -> float:
    """Resident memory of this process now, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def step(loss_name: str, vocab: int) -> dict[str, float]:
    """One training step in this process: what its peak adds to the resident memory before it, its seconds, its loss."""
    import torch
    import torch.nn.functional as F

    from fledge.device import memory_mb, set_threads
    from fledge.model.config import ModelConfig
    from fledge.model.transformer import Transformer
    from fledge.training.config import TrainConfig
    from fledge.training.losses import linear_cross_entropy
    from fledge.training.optim import Optimizer

    set_threads()
    model = Transformer(ModelConfig(vocab_size=vocab, hidden_size=HIDDEN, num_hidden_layers=LAYERS)).init_weights(0)
    optimizer = Optimizer(model, TrainConfig(optimizer="muon").with_rates())
    generator = torch.Generator().manual_seed(0)

    def train(num_tokens: int) -> float:
        ids_BT = torch.randint(vocab, (1, num_tokens + 1), generator=generator)
        inputs_BT, targets_BT = ids_BT[:, :-1], ids_BT[:, 1:]
        if loss_name == "chunked":
            loss = linear_cross_entropy(model.hidden(inputs_BT), model.lm_head.weight, targets_BT)
        else:
            loss = F.cross_entropy(model(inputs_BT).flatten(0, 1), targets_BT.flatten(), reduction="sum")
        (loss / num_tokens).backward()
        optimizer.step(1.0)
        return loss.item() / num_tokens

    train(WARM_UP)
    before = resident_mb()
    begun = time.perf_counter()
    loss = train(TOKENS)
    seconds = time.perf_counter() - begun
    peak = memory_mb(torch.device("cpu"))
    return {"peak_mb": peak, "before_mb": before, "added_mb": peak - before, "seconds": seconds, "loss": loss}


def measure(loss_name: str, vocab: int, repeats: int) -> dict[str, Any]:
    """The median of every number over fresh processes."""
    command = [sys.executable, __file__, "--step", loss_name, "--vocab", str(vocab)]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(repeats)]
    return {key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, default=VOCAB)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="a small vocabulary, once, and no result file")
    parser.add_argument("--step", choices=LOSSES, help=argparse.SUPPRESS)  # the child process
    chosen = parser.parse_args(argv)
    if chosen.step:
        print(json.dumps(step(chosen.step, chosen.vocab)))
        return
    vocab, repeats = (8192, 1) if chosen.smoke else (chosen.vocab, chosen.repeats)
    found = {name: measure(name, vocab, repeats) for name in LOSSES}
    chunked, plain = found["chunked"], found["plain"]
    record(
        "memory_loss",
        smoke=chosen.smoke,
        vocab_size=vocab,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        tokens=TOKENS,
        whole_logits_mb=vocab * TOKENS * 4 / 2**20,
        repeats=repeats,
        seeds=[0],
        **found,
        added_memory_ratio=chunked["added_mb"] / plain["added_mb"],
        seconds_ratio=chunked["seconds"] / plain["seconds"],
        bars={"loss differs by": bar(abs(chunked["loss"] - plain["loss"]), "<=", 1e-3)},
    )


if __name__ == "__main__":
    main()
