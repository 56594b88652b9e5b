"""One side of bench/lora.py's race with PEFT and TRL, in a process of its own: prints a JSON line.

Both sides train the same rows once, in fp32 on one thread, LoRA of rank 16 on all linear layers of the blocks, the loss on answers
alone. Tokens are those of the rows, without padding. Seconds are the processor's (with one thread the wall clock of a machine that
does nothing else), of training alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from fledge.device import memory_mb

RANK, LR, ROWS, LENGTH = 16, 1e-3, 8, 512  # rows of a step of theirs; tokens of a step of ours are about as many
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def ours(folder: str, rows: list[dict[str, Any]]) -> tuple[float, float]:
    from fledge import api

    begun: list[float] = []
    from fledge.training import loop

    train = loop.Fit.train

    def timed(self: loop.Fit) -> None:
        self._validate = lambda tokens: None  # type: ignore[method-assign,assignment]
        begun.append(time.process_time())
        train(self)
        begun.append(time.process_time())

    loop.Fit.train = timed  # type: ignore[method-assign]
    settings: dict[str, Any] = {"rank": RANK, "alpha": 2.0 * RANK, "lr": LR, "epochs": 1, "precision": "fp32"}
    run = api.train("lora", rows=rows, model=folder, seq_len=LENGTH, batch_size=2, run="race", **settings)
    losses = [line["loss"] for line in run.metrics() if "loss" in line]
    return begun[1] - begun[0], losses[-1]


def theirs(folder: str, rows: list[dict[str, Any]]) -> tuple[float, float]:
    import datasets
    import peft
    import transformers
    import trl

    def split(row: dict[str, Any]) -> dict[str, Any]:
        *before, answer = row["conversations"]
        return {"prompt": before, "completion": [answer]}

    config = trl.SFTConfig(
        output_dir="trl", per_device_train_batch_size=ROWS, num_train_epochs=1, learning_rate=LR, max_length=LENGTH,
        bf16=False, gradient_checkpointing=False, report_to="none", save_strategy="no", logging_steps=1, use_cpu=True,
        dataloader_pin_memory=False, disable_tqdm=True,
    )  # fmt: skip
    lora = peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS, task_type="CAUSAL_LM")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    trainer = trl.SFTTrainer(
        model=model, args=config, peft_config=lora, train_dataset=datasets.Dataset.from_list(list(map(split, rows))),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder),
    )  # fmt: skip
    begun = time.process_time()
    trainer.train()
    return time.process_time() - begun, [row["loss"] for row in trainer.state.log_history if "loss" in row][-1]


def main() -> None:
    side, folder, file = sys.argv[1:]
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    from fledge.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(folder)
    tokens = sum(len(tokenizer.prompt_ids(row["conversations"])) for row in rows)
    wall = time.perf_counter()
    seconds, loss = (ours if side == "ours" else theirs)(folder, rows)
    found = {"tokens": tokens, "cpu_seconds": seconds, "tokens_per_cpu_second": tokens / seconds, "last_loss": loss}
    print(json.dumps(found | {"peak_mb": memory_mb(torch.device("cpu")), "wall_seconds": time.perf_counter() - wall}))


if __name__ == "__main__":
    main()
