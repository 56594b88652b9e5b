"""Runs among nanochat's own modules (race_mix.py starts it): bits per byte of its trained model over whole texts.

Its own script measures rows of its loader, which drops what does not fit a row; here every byte counts. Prints JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from nanochat.checkpoint_manager import load_model
from nanochat.loss_eval import evaluate_bpb
from nanochat.tokenizer import get_token_bytes

BATCH = 16


def rows(documents: list[list[int]], size: int, bos: int, again: bool) -> Iterator[tuple[list[int], list[int]]]:
    """Inputs and targets of windows of `size`, every text token a target once; a document begins with `bos`.

    Later windows of a long document begin with `bos` too (`again`: every row of its training does), or with the last
    token of the window before.
    """
    for ids in documents:
        for i in range(0, len(ids), size):
            first = bos if i == 0 or again else ids[i - 1]
            targets = ids[i : i + size]
            yield [first, *targets[:-1]], targets


def batches(found: list[tuple[list[int], list[int]]], size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Padded batches; a target of -1 does not count."""
    for i in range(0, len(found), BATCH):
        part = found[i : i + BATCH]
        x, y = torch.zeros(len(part), size, dtype=torch.long), torch.full((len(part), size), -1)
        for row, (inputs, targets) in enumerate(part):
            x[row, : len(inputs)], y[row, : len(targets)] = torch.tensor(inputs), torch.tensor(targets)
        yield x, y


def main(tag: str, result: str, *files: str) -> None:
    model, tokenizer, meta = load_model("base", torch.device("cpu"), "eval", model_tag=tag)
    texts = []
    for name in files:
        with Path(name).open(encoding="utf-8") as file:
            texts += [json.loads(line)["text"] for line in file]
    documents, bos = tokenizer.encode(texts), tokenizer.get_bos_token_id()
    size, token_bytes = meta["model_config"]["sequence_len"], get_token_bytes()
    bits = {}
    for way, again in (("windows begin with bos", True), ("windows go on", False)):
        found = list(rows(documents, size, bos, again))
        bits[way] = evaluate_bpb(model, batches(found, size), -(-len(found) // BATCH), token_bytes)
    report = {
        "bpb": min(bits.values()),  # the better way of asking it
        "bpb_by_way": bits,
        "validation_bytes": sum(int(token_bytes[ids].sum()) for ids in map(torch.tensor, documents)),
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocab_size": tokenizer.get_vocab_size(),
        "shape": meta["model_config"],
    }
    Path(result).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
