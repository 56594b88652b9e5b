"""The tokenizer of MiniMind's scripts: the one in `model/`, else a new one; and `train_tokenizer.py`."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from fledge.cli.data import spell
from fledge.data.readers import check_file, raw_rows, read_rows
from fledge.data.rows import BadRow, Kind, Row, TextRow
from fledge.data.rows import parse as parse_row
from fledge.errors import UserError
from fledge.interop.minimind.arguments import parse, values
from fledge.interop.minimind.files import Place
from fledge.interop.minimind.practice import find_data
from fledge.lang import _
from fledge.records import Run
from fledge.tokenizer import Tokenizer

VOCAB_SIZE = 6400  # MiniMind's, fixed in its config
ROWS = 10_000  # that MiniMind reads for it
LEARNED = "model_learn_tokenizer"  # where its train_tokenizer.py writes, so that the one in use is left alone
FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
MEASURED = 200_000  # characters of the data on which a tokenizer is measured
# Bytes a token. Of 6,400 tokens, those that fit had 2.7 to 5.5 on Chinese, English and mixed text; those of a few rows, of the
# other language or of practice data 1.0 to 2.2 (docs/LOG.md).
FEW_BYTES = 2.5
SAMPLES = {
    "中文": "分词器先把文字切成小块，再把每一块换成一个编号；常见的词只用一块，少见的词要用好几块。",
    "English": "A tokenizer cuts text into pieces and gives each a number; a common word is one piece, a rare one several.",
    "混合 mixed": "我用 Python 写代码。Training runs on one GPU，两个小时就够了。",
}


def ensure_tokenizer(place: Place, data: Path, kind: Kind, room: int | None = None) -> tuple[Path, list[Path]]:
    """(the folder `model/`, the files that were put into it now): the tokenizer that is there, the one that was trained with
    train_tokenizer.py, or a new one trained on `data`. Which it is, and how well it fits, is said. UserError when it has more
    than `room` tokens, or the data are no rows of `kind`."""
    folder, learned = place.model_dir, place.root / LEARNED
    if (folder / "tokenizer.json").is_file():
        _introduce(Tokenizer.load(folder), place, data, kind, room)
        return folder, []
    if (learned / "tokenizer.json").is_file():
        print(
            _("Using the tokenizer that you trained: {learned} → {folder}").format(
                learned=place.shown(learned), folder=place.shown(folder)
            )
        )
        _introduce(Tokenizer.load(learned), place, data, kind, room)
        folder.mkdir(exist_ok=True)
        for name in FILES:
            if (learned / name).is_file():
                shutil.copyfile(learned / name, folder / name)
    else:
        print(
            _(
                "There is no tokenizer in {folder}: training one of {vocab_size} tokens on {data}. "
                "To use MiniMind's own, put its tokenizer.json there first."
            ).format(folder=place.shown(folder), vocab_size=VOCAB_SIZE, data=place.shown(data))
        )
        train(data, kind, VOCAB_SIZE).save(folder)
    return folder, [folder / name for name in FILES]


@contextlib.contextmanager
def taken_back(files: list[Path], run: str) -> Iterator[None]:
    """A command that is refused before its run begins leaves none of these files: the next would train with them unasked."""
    try:
        yield
    except Exception:
        if not Run.exists(run):
            for file in files:
                file.unlink(missing_ok=True)
        raise


def _introduce(tokenizer: Tokenizer, place: Place, data: Path, kind: Kind, room: int | None) -> None:
    """Say which tokenizer is used and how much of the data a token of it holds; a note when that is little."""
    shown, size = place.shown(place.model_dir), tokenizer.vocab_size
    if room is not None and size > room:
        raise UserError(
            _(
                "{shown}/tokenizer.json has {size:,} tokens, and MiniMind's models have room for {room:,}: "
                "put MiniMind's own there, or delete it and one will be trained."
            ).format(shown=shown, size=size, room=room)
        )
    rate = bytes_per_token(tokenizer, data, kind)
    print(
        _("Tokenizer: {shown} ({size:,} tokens; {rate:.1f} bytes of this data a token)").format(
            shown=shown, size=size, rate=rate
        )
    )
    if rate < FEW_BYTES:
        print(
            _(
                "Note: {shown}/tokenizer.json was not made for such data and cuts it into crumbs (a fitting one has 3 "
                "to 5 bytes a token), so training takes several times as long. To change that, "
                "delete it or put MiniMind's there, and pretrain again."
            ).format(shown=shown)
        )


def bytes_per_token(tokenizer: Tokenizer, data: Path, kind: Kind) -> float:
    """UTF-8 bytes that a token holds, on the first rows of the data."""
    sample, left = [], MEASURED
    for text in texts(data, kind):
        sample.append(text[:left])
        left -= len(sample[-1])
        if left <= 0:
            break
    tokens = sum(map(len, tokenizer.encode_batch(sample)))
    return sum(len(text.encode()) for text in sample) / max(1, tokens)


def train(data: Path, kind: Kind, vocab_size: int) -> Tokenizer:
    """A tokenizer of the first rows of a data file, with MiniMind's names for its control tokens (ids 0, 1, 2)."""
    tokenizer = Tokenizer.train(texts(data, kind), vocab_size)
    tokenizer.config |= {"bos_token": "<|im_start|>", "unk_token": "<|endoftext|>"}
    return tokenizer


def texts(data: Path, kind: Kind) -> Iterator[str]:
    """The text of the first rows: of a conversation, what its messages say. UserError when the file has no such rows."""
    for row in itertools.islice(read_rows(data, kind), ROWS):
        yield row.text if isinstance(row, TextRow) else "\n".join(_contents(row))


def _contents(row: Row) -> list[str]:
    messages = [*getattr(row, "prompt", []), *getattr(row, "chosen", []), *getattr(row, "messages", [])]
    return [content for message in messages if (content := message.get("content"))]


def kind_of(data: Path) -> Kind:
    """The kind of a file's rows, by the first of them that can be read; "text" when none can."""
    for _, raw in itertools.islice(raw_rows(check_file(data), "text"), ROWS):
        for kind in get_args(Kind):
            with contextlib.suppress(BadRow):
                parse_row(raw, kind)
                return kind
    return "text"


def train_tokenizer(door: str, place: Place, argv: list[str]) -> int:
    """`train_tokenizer.py`: learn a vocabulary, write it beside the one in use, and show what it does."""
    typed = parse(door, argv)
    args = values(door, "v2", typed)
    place.enter()
    data = find_data(place, place.find(args["data_path"], "data_path" in typed))
    folder = place.find(args["tokenizer_dir"], "tokenizer_dir" in typed)
    if (folder / "config.json").exists():
        raise UserError(
            _("{folder} holds a model, which would lose its own tokenizer: give --tokenizer_dir another.").format(
                folder=place.shown(folder)
            )
        )
    begun = time.perf_counter()
    tokenizer = train(data, kind_of(data), args["vocab_size"])
    tokenizer.save(folder)
    print(
        _("{vocab_size:,} tokens in {seconds:.1f} s → {folder}").format(
            vocab_size=tokenizer.vocab_size, seconds=time.perf_counter() - begun, folder=place.shown(folder)
        )
    )
    _show(tokenizer)
    if (place.model_dir / "tokenizer.json").is_file() and folder != place.model_dir:
        print(
            _(
                "Training goes on using the tokenizer in {model_dir}. Another one means pretraining anew; "
                "so to use it, copy its files there yourself."
            ).format(model_dir=place.shown(place.model_dir))
        )
    return 0


def _show(tokenizer: Tokenizer) -> None:
    """A conversation as the model sees it, and how much text a token holds."""
    messages = [{"role": "user", "content": "你好！"}, {"role": "assistant", "content": "你好，我是你训练的模型。"}]
    rendered = tokenizer.render(messages)
    print(_("\nA conversation as the model sees it:"))
    print("  " + rendered.replace("\n", "\n  ").rstrip())
    same = tokenizer.decode(tokenizer.encode(rendered, special=True), skip_special=False) == rendered
    print(_("Encoded and decoded, the same: {same}").format(same=_("yes") if same else _("no")))
    for name, text in SAMPLES.items():
        ids = tokenizer.encode(text)
        pieces = "|".join(spell(tokenizer, id)[0] for id in ids[:16])
        rate = len(text) / len(ids)
        print(_("  {name}: {rate:.2f} characters a token  {pieces}…").format(name=name, rate=rate, pieces=pieces))
