"""Run directories: every job writes one, and every figure that we show comes from one.

    runs/<name>/run.json         what ran: job, full config, seed, command, versions, machine, data, results
                metrics.jsonl    a JSON line a log step: step, tokens, seconds, loss, lr, …; val_loss, val_bpb, …
                samples.jsonl    what the model wrote while it trained
                checkpoints/     step-N/, to resume from
                .lock            held by the process that trains
                model/           the result, a model folder in Hugging Face form

A reader never sees a half-written run.json (written beside, synced, renamed), and a killed run leaves at worst one
torn last line in a .jsonl, which readers skip and the next writer closes.
"""

from fledge.records.command import command_line, git_commit
from fledge.records.files import cache_root, dumps, file_sha256, whole_folder, write_atomic
from fledge.records.run import Run, list_runs, runs_root, status_word

__all__ = [
    "Run",
    "cache_root",
    "command_line",
    "dumps",
    "file_sha256",
    "git_commit",
    "list_runs",
    "runs_root",
    "status_word",
    "whole_folder",
    "write_atomic",
]
