"""The processes of the MiniMind benches: its own code, or ours, with a measuring hand on it.

    losses FILE WORDS …    MiniMind's train_pretrain.py with WORDS; the exact loss of every batch goes into FILE
    minimind JSON          MiniMind's train_epoch, a segment at a time
    ours JSON              fledge.train, a segment at a time
    matmul JSON            how fast this machine multiplies matrices

A segment is so many batches, with the optimizer's steps in them, from fetching the first to the end of the last. It
begins when the parent writes a line, and its seconds and tokens are answered as a line of JSON.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from fledge.device import memory_mb


class Gate:
    """Stands where a training loop fetches its batches."""

    def __init__(self, size: int, device: str):
        import torch

        self.size, self.device = size, torch.device(device)
        self.fetched = self.tokens = 0
        self.answers = os.fdopen(os.dup(1), "w", encoding="utf-8")  # what the training prints goes elsewhere
        os.dup2(2, 1)
        self.imports_mb = memory_mb(torch.device("cpu"))

    def before(self) -> None:
        """Before a batch is fetched: at a segment's end answer, and wait until the next one may begin."""
        if self.fetched % self.size == 0:
            if self.fetched:
                self._answer()
            if not sys.stdin.readline().strip():
                os._exit(0)
            self.tokens, self.begun = 0, time.perf_counter()
        self.fetched += 1

    def _answer(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize()
        answer = {
            "seconds": time.perf_counter() - self.begun,
            "tokens": self.tokens,
            "imports_mb": self.imports_mb,
            "peak_mb": memory_mb(torch.device("cpu")),
        }
        if self.device.type == "cuda":
            answer["cuda_peak_mb"] = memory_mb(self.device)
        print(json.dumps(answer), file=self.answers, flush=True)


def losses(path: str, *words: str) -> None:
    sys.path.append(os.path.abspath(".."))
    from model.model_minimind import MiniMindForCausalLM

    forward, seen = MiniMindForCausalLM.forward, []

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = forward(self, *args, **kwargs)
        seen.append(result.loss.item())
        return result

    MiniMindForCausalLM.forward = noted
    sys.argv = ["train_pretrain.py", *words]
    runpy.run_path("train_pretrain.py", run_name="__main__")
    Path(path).write_text(json.dumps(seen), encoding="utf-8")


def minimind(job: dict[str, Any]) -> None:
    """The names that its script sets under `if __name__ == "__main__"`, then its loop over its own loader."""
    sys.path.append(os.path.abspath(".."))
    import torch

    from trainer import train_pretrain as script

    gate = Gate(job["size"], job["device"])
    cuda = job["device"] == "cuda"
    never = 10**9
    script.setup_seed(42)
    script.lm_config = script.MiniMindConfig(hidden_size=job["hidden_size"], num_hidden_layers=job["layers"])
    script.model, tokenizer = script.init_model(script.lm_config, "start", device=job["device"])
    script.args = script.argparse.Namespace(
        device=job["device"],
        epochs=1,
        learning_rate=5e-4,
        accumulation_steps=job["accumulation_steps"],
        grad_clip=1.0,
        log_interval=never,
        save_interval=never,
    )
    script.autocast_ctx = torch.amp.autocast("cuda", dtype=torch.bfloat16) if cuda else nullcontext()
    script.scaler = torch.amp.GradScaler("cuda", enabled=False)
    script.optimizer = script.optim.AdamW(script.model.parameters(), lr=5e-4)
    data = script.PretrainDataset(job["rows"], tokenizer, max_length=job["seq_len"])
    order = torch.randperm(len(data)).tolist()
    sampler = script.SkipBatchSampler(order, job["batch_size"])
    loader = script.DataLoader(data, batch_sampler=sampler, num_workers=8 if cuda else 0, pin_memory=True)

    def gated() -> Iterator[Any]:
        while True:
            batches = iter(loader)
            for _ in range(len(data) // job["batch_size"]):  # whole ones only
                gate.before()
                ids, labels = next(batches)
                gate.tokens += int((labels[:, 1:] != -100).sum())
                yield ids, labels

    script.model.train()
    script.train_epoch(0, gated(), never)


def ours(job: dict[str, Any]) -> None:
    import fledge
    import fledge.api
    from fledge.data.batches import PackedBatches

    gate, fetch = Gate(job["size"], job["device"]), PackedBatches.__next__

    def gated(self: PackedBatches) -> Any:
        gate.before()
        batch = fetch(self)
        gate.tokens += batch.count
        return batch

    PackedBatches.__next__ = gated  # type: ignore[method-assign]
    texts = [json.loads(line)["text"] for line in Path(job["rows"]).read_text(encoding="utf-8").splitlines()]
    fledge.train(
        "pretrain",
        rows=texts,
        model=job["weights"],
        run=job["run"],
        steps=10**9,
        seq_len=job["seq_len"],
        batch_size=job["batch_size"],
        accumulation_steps=job["accumulation_steps"],
        optimizer="adamw",
        lr=5e-4,
        precision=job["precision"],
        device=job["device"],
    )


def matmul(job: dict[str, Any]) -> None:
    """Print FLOP/s of the fastest of five products of two square matrices, per dtype."""
    import torch

    from fledge.device import set_threads

    set_threads()
    size, best = (8192 if job["device"] == "cuda" else 2048), {}
    for name in job["dtypes"]:
        a = torch.randn(size, size, device=job["device"]).to(getattr(torch, name))
        seconds = []
        for _ in range(6):
            begun = time.perf_counter()
            c = a @ a
            c[0, 0].item()  # waits for a GPU
            seconds.append(time.perf_counter() - begun)
        best[name] = 2 * size**3 / min(seconds[1:])
    print(json.dumps(best))


if __name__ == "__main__":
    program, *words = sys.argv[1:]
    if program == "losses":
        losses(*words)
    else:
        {"minimind": minimind, "ours": ours, "matmul": matmul}[program](json.loads(words[0]))
