"""What answering prompts takes, for jobs that learn from their own answers: rows to train on, a cache, and time.

All of it at its most: every answer as long as it may be. Answers end sooner, and then a run is faster than its plan.
"""

from __future__ import annotations

import math
from typing import Any

from fledge.model.config import ModelConfig
from fledge.planning.facts import Size, bytes_per_token
from fledge.planning.memory import ELEMENT
from fledge.planning.work import KERNELS_A_BLOCK, Work, computing

FORWARD_KERNELS = KERNELS_A_BLOCK / 3  # of one block, without its backward pass


def answers(config: Any) -> int:
    """Answers that one pass learns from."""
    return int(config.batch_size * config.group_size)


def prompt_tokens(config: Any, size: Size, vocab_size: int) -> int:
    """Tokens of an average prompt; what the template adds is taken to be a quarter of it, and it leaves room for an answer."""
    own = 1.25 * size.row_bytes / bytes_per_token(vocab_size)
    return max(1, min(round(own), config.seq_len - config.max_new_tokens))


def rows(config: Any, size: Size, vocab_size: int) -> int:
    """Rows of `seq_len` that one pass reads: every prompt once, and all its answers."""
    group = prompt_tokens(config, size, vocab_size) + config.group_size * config.max_new_tokens
    return math.ceil(config.batch_size * group / config.seq_len)


def steps(config: Any, size: Size) -> int:
    """Optimizer steps of `epochs` (one unless said) passes over the prompts."""
    prompts = max(1.0, size.num_bytes / size.row_bytes) * (1 if config.val else 1 - config.val_fraction)
    a_step = config.batch_size * config.accumulation_steps
    return max(1, round((config.epochs or 1) * prompts * config.reuse / a_step))


def cache_bytes(shape: ModelConfig, config: Any, size: Size, precision: str) -> float:
    """Keys and values of the answers that are written at once."""
    at_once = min(256, answers(config) * config.accumulation_steps * config.rollout_steps)
    length = prompt_tokens(config, size, shape.vocab_size) + config.max_new_tokens
    a_token = 2 * shape.num_hidden_layers * shape.num_key_value_heads * (shape.head_dim or 0) * ELEMENT[precision]
    return at_once * length * a_token


def writing(shape: ModelConfig, config: Any, size: Size) -> Work:
    """The answers of one optimizer step, token by token: every step of the generator reads all weights once."""
    share = config.accumulation_steps / config.reuse  # a rollout serves several steps, and is made for several
    tokens = answers(config) * config.max_new_tokens
    read = config.batch_size * prompt_tokens(config, size, shape.vocab_size)
    decodes = config.max_new_tokens * math.ceil(answers(config) / 256)
    return Work(
        flops=share * 2 * computing(shape) * (tokens + read),
        bytes=share * decodes * 4 * computing(shape),
        kernels=share * decodes * FORWARD_KERNELS * (shape.num_hidden_layers + 1),
    )
