"""The public calls: `fledge.load`, `fledge.train` and `fledge.plan`. The command line is a thin skin over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fledge.adapt.format import find_adapter
from fledge.course.mine import load_mine
from fledge.device import pick_device, pick_precision, set_threads
from fledge.errors import UserError
from fledge.evaluate.score import Score, score_text
from fledge.generate import Completion, Generator, Sampling
from fledge.jobs.settings import job_config
from fledge.lang import _
from fledge.model.folder import load_model, save_model
from fledge.model.source import find_model
from fledge.model.transformer import Transformer
from fledge.parts.table import FORWARD
from fledge.parts.verify import verify
from fledge.planning.predict import Plan
from fledge.records import Run
from fledge.tokenizer import Tokenizer

Messages = list[dict[str, Any]]


class LM:
    """A model with its tokenizer."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer):
        self.model = model
        self.tokenizer = tokenizer
        self.generator = Generator(model, tokenizer)

    @property
    def sampling(self) -> Sampling:
        """How the model's own folder would have it sampled: what `fledge chat` and `fledge generate` begin with.

        `generate`, `complete` and `stream` do as they are told and know nothing of it: a measurement does not depend on a file.
        """
        return Sampling.of_model(self.model.generation_config)

    def prompt(self, prompt: str | Messages, *, tools: list | None = None, thinking: bool = False) -> list[int]:
        """Token ids: text after <|endoftext|>, messages through the chat template."""
        if isinstance(prompt, str):
            return [self.tokenizer.endoftext_id, *self.tokenizer.encode(prompt)]
        return self.tokenizer.prompt_ids(prompt, tools=tools, thinking=thinking)

    def generate(self, prompt: str | Messages, *, thinking: bool = False, **sampling: Any) -> str:
        """Continue a text, or answer a conversation (a list of {"role", "content"}). Settings are those of `Sampling`.

        With `thinking` the answer to a conversation begins inside of `<think>`, which the prompt then opens.
        """
        return self.complete([prompt], thinking=thinking, **sampling)[0].text

    def complete(
        self, prompts: Sequence[str | Messages], *, thinking: bool = False, **sampling: Any
    ) -> list[Completion]:
        """Answer several prompts in one batch, with token ids and log-probabilities."""
        return self.generator.generate([self.prompt(p, thinking=thinking) for p in prompts], Sampling(**sampling))

    def stream(self, prompt: str | Messages, *, thinking: bool = False, **sampling: Any) -> Iterator[str]:
        """Like `generate`, piece by piece."""
        return self.generator.stream(self.prompt(prompt, thinking=thinking), Sampling(**sampling))

    def score(self, text: str) -> Score:
        """The model's surprise at `text`: Score(nats, tokens, bytes), a window slid over the whole text."""
        return score_text(self.model, self.tokenizer, text)

    def save(self, folder: str | Path) -> None:
        """Write a Hugging Face model folder."""
        save_model(self.model, folder)
        self.tokenizer.save(folder)


def load(
    source: str | Path,
    *,
    device: str = "auto",
    precision: str = "fp32",
    parts: str = "reference",
    parts_fallback: bool = False,
    adapters: Sequence[str | Path] = (),
) -> LM:
    """Load a run by name, a model folder, or a Hugging Face hub id (when online). A run or a folder may be an adapter's: its base
    is found, and both become one model. `adapters` (runs, folders in PEFT's form) are merged into `source`.

    `precision` is the dtype of weights and products: fp32 by default, so that scores are exact; "auto" takes the fastest of
    this machine, as `fledge chat` does (see `device.pick_precision`). What is saved again keeps that dtype.

    With `parts="mine"` it runs on the functions that you wrote in the exercises; with `parts_fallback` the reference
    replaces those that fail.
    """
    set_threads()
    where = pick_device(device)
    folder = find_model(source)
    chosen = load_mine(parts, fallback=parts_fallback, only=FORWARD)
    model = load_model(
        folder, device=where, dtype=pick_precision(precision, where), parts=chosen,
        adapters=[find_adapter(adapter) for adapter in adapters],
    )  # fmt: skip
    verify(chosen, model.config, model.compute_dtype, where)
    tokenizer = Tokenizer.load(folder)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise UserError(
            _(
                "{folder}: the tokenizer has {vocab_size} tokens but the model only {model_vocab_size}; "
                "they do not belong together: copy the tokenizer files of the model's own training."
            ).format(folder=folder, vocab_size=tokenizer.vocab_size, model_vocab_size=model.config.vocab_size)
        )
    return LM(model, tokenizer)


def train(
    job: str,
    *,
    rows: Iterable[Any] | None = None,
    val_rows: Iterable[Any] | None = None,
    replay_rows: Iterable[Any] | None = None,
    landmarks: dict[str, Any] | None = None,
    on_save: Callable[[Transformer, int], None] | None = None,
    **config: Any,
) -> Run:
    """Run a training job (one of `fledge.jobs.JOBS`) and return its run; settings are the fields of the job's config.

    The data are files (`data=[...]`) or `rows` in memory: strings, or dicts in any schema; `val_rows` to validate on,
    `replay_rows` to mix into fine-tuning, and `landmarks`, known values to draw beside the curves (e.g. {"floor": bits
    per byte}), go with `rows`. `on_save(model, step)` is called after every checkpoint of `save_every`, and at the end.
    """
    from fledge.jobs.job import Material
    from fledge.jobs.runner import run_job

    if rows is None and (val_rows is not None or replay_rows is not None or landmarks):
        raise UserError(
            _("val_rows, replay_rows and landmarks go with rows: give those, or name files with data, val and replay.")
        )
    if rows is not None and (config.get("data") or config.get("val") or config.get("replay")):
        raise UserError(_("give rows in memory, or files with data, val and replay, not both."))
    material = None if rows is None else Material(rows, val_rows, replay_rows, landmarks or {})
    settings = job_config(job, **config)
    parts = load_mine(settings.parts, fallback=settings.parts_fallback)
    return run_job(job, settings, material, on_save, config.keys(), parts)


def plan(
    job: str, *, profile: str | None = None, card: str | None = None, price: float | None = None, **config: Any
) -> Plan:
    """What `train(job, **config)` would take: memory by its parts, seconds, tokens, and with a `price` per hour the cost.

    `profile` (conservative, standard, aggressive) adds its settings to yours; `card` plans for another machine ("RTX 3050",
    "8", "cpu"). The first plan measures this machine for a few seconds.
    """
    from fledge.jobs import find_job
    from fledge.planning.measure import machine_of
    from fledge.planning.profiles import plan_job

    settings = job_config(job, **config)
    settings.check()
    machine = machine_of(card, settings)
    return plan_job(find_job(job).planning, settings, set(config), machine=machine, profile=profile, price=price)
