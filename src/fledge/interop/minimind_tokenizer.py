"""The tokenizer of MiniMind's scripts: the one in `model/`, else a new one; and `train_tokenizer.py`."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from fledge.cli.data import spell
from fledge.data.readers import check_file, raw_rows
from fledge.errors import UserError
from fledge.interop.minimind_files import Place
from fledge.interop.minimind_flags import Flag, Parser, add, parse_with
from fledge.interop.minimind_practice import find_data, is_practice
from fledge.lang import say
from fledge.tokenizer import Tokenizer

VOCAB_SIZE = 6400  # MiniMind's, fixed in its config
ROWS = 10_000  # that MiniMind reads for it
LEARNED = "model_learn_tokenizer"  # where its train_tokenizer.py writes, so that the one in use is left alone
FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
FLAGS = {
    "data_path": (Flag(str, "训练数据", "training data"), "../dataset/pretrain_hq.jsonl"),
    "tokenizer_dir": (Flag(str, "写到哪里", "where to write it"), f"../{LEARNED}"),
    "vocab_size": (Flag(int, "词表大小", "size of the vocabulary"), VOCAB_SIZE),
}
SAMPLES = {
    "中文": "分词器先把文字切成小块，再把每一块换成一个编号；常见的词只用一块，少见的词要用好几块。",
    "English": "A tokenizer cuts text into pieces and gives each a number; a common word is one piece, a rare one several.",
    "混合 mixed": "我用 Python 写代码。Training runs on one GPU，两个小时就够了。",
}


def ensure_tokenizer(place: Place, data: Path) -> Path:
    """The folder `model/` with a tokenizer in it: the one that is there, the one that was trained with train_tokenizer.py,
    or a new one trained on `data`, and then this is said."""
    folder = place.model_dir
    if (folder / "tokenizer.json").is_file():
        _warn_if_outgrown(place, Tokenizer.load(folder), data)
        return folder
    learned = place.root / LEARNED
    if (learned / "tokenizer.json").is_file():
        folder.mkdir(exist_ok=True)
        for name in FILES:
            if (learned / name).is_file():
                shutil.copyfile(learned / name, folder / name)
        print(
            say(
                f"使用你训练的分词器：{place.shown(learned)} → {place.shown(folder)}",
                f"Using the tokenizer that you trained: {place.shown(learned)} → {place.shown(folder)}",
            )
        )
        return folder
    print(
        say(
            f"{place.shown(folder)} 里没有分词器：在 {place.shown(data)} 上训练一个（{VOCAB_SIZE} 个 token）。"
            "要用 MiniMind 的，先把它的 tokenizer.json 放进去。",
            f"There is no tokenizer in {place.shown(folder)}: training one of {VOCAB_SIZE} tokens on {place.shown(data)}. "
            "To use MiniMind's own, put its tokenizer.json there first.",
        )
    )
    train(data, VOCAB_SIZE).save(folder)
    return folder


def _warn_if_outgrown(place: Place, tokenizer: Tokenizer, data: Path) -> None:
    """A tokenizer of the practice text cuts real text into crumbs."""
    if tokenizer.config.get("trained_on") == "practice" and not is_practice(data):
        where = place.shown(place.model_dir / "tokenizer.json")
        print(
            say(
                f"注意：{where} 是在练习数据上训练的，对真实数据切得很碎。想换就删掉它，或者放上 MiniMind 的（之后要重新预训练）。",
                f"Note: {where} was trained on practice data and cuts real text into small pieces. To change that, delete it or "
                "put MiniMind's there, and pretrain again.",
            )
        )


def train(data: Path, vocab_size: int) -> Tokenizer:
    """A tokenizer of the first rows of a data file, with MiniMind's names for its control tokens (ids 0, 1, 2)."""
    tokenizer = Tokenizer.train(texts(data), vocab_size)
    tokenizer.config |= {"bos_token": "<|im_start|>", "unk_token": "<|endoftext|>"}
    if is_practice(data):
        tokenizer.config["trained_on"] = "practice"
    return tokenizer


def texts(data: Path) -> Iterator[str]:
    """The text of the first rows, of whatever schema: `text`, or the contents of a conversation."""
    for _, raw in itertools.islice(raw_rows(check_file(data), "text"), ROWS):
        if not isinstance(raw, dict):
            continue
        if isinstance(raw.get("text"), str):
            yield raw["text"]
        turns = raw.get("conversations") or raw.get("messages")
        contents = [turn.get("content") for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
        if contents := [content for content in contents if isinstance(content, str) and content]:
            yield "\n".join(contents)


def train_tokenizer(place: Place, argv: list[str]) -> int:
    """`train_tokenizer.py`: learn a vocabulary, write it beside the one in use, and show what it does."""
    parser = Parser(
        prog="train_tokenizer.py",
        usage="python train_tokenizer.py [--argument value …]",
        description=say("训练一个分词器，默认值同 MiniMind。", "Train a tokenizer, with MiniMind's defaults."),
    )
    for name, (flag, value) in FLAGS.items():
        add(parser, name, flag, str(value))
    typed = parse_with(parser, argv)
    values = {name: typed.get(name, value) for name, (_, value) in FLAGS.items()}
    place.enter()
    data = find_data(place, place.find(values["data_path"], "data_path" in typed))
    folder = place.find(values["tokenizer_dir"], "tokenizer_dir" in typed)
    if (folder / "config.json").exists():
        raise UserError(
            say(
                f"{place.shown(folder)} 里有一个模型，它自己的分词器会被覆盖：用 --tokenizer_dir 换一个文件夹。",
                f"{place.shown(folder)} holds a model, which would lose its own tokenizer: give --tokenizer_dir another.",
            )
        )
    begun = time.perf_counter()
    tokenizer = train(data, values["vocab_size"])
    tokenizer.save(folder)
    print(
        say(
            f"{tokenizer.vocab_size:,} 个 token，用时 {time.perf_counter() - begun:.1f} 秒 → {place.shown(folder)}",
            f"{tokenizer.vocab_size:,} tokens in {time.perf_counter() - begun:.1f} s → {place.shown(folder)}",
        )
    )
    _show(tokenizer)
    if (place.model_dir / "tokenizer.json").is_file() and folder != place.model_dir:
        print(
            say(
                f"训练仍用 {place.shown(place.model_dir)} 里的分词器；换分词器就要重新预训练，所以要用新的，请自己把文件复制过去。",
                f"Training goes on using the tokenizer in {place.shown(place.model_dir)}. Another one means pretraining anew; "
                "so to use it, copy its files there yourself.",
            )
        )
    return 0


def _show(tokenizer: Tokenizer) -> None:
    """A conversation as the model sees it, and how much text a token holds."""
    messages = [{"role": "user", "content": "你好！"}, {"role": "assistant", "content": "你好，我是你训练的模型。"}]
    rendered = tokenizer.render(messages)
    print(say("\n对话在模型眼里是这样：", "\nA conversation as the model sees it:"))
    print("  " + rendered.replace("\n", "\n  ").rstrip())
    same = tokenizer.decode(tokenizer.encode(rendered, special=True), skip_special=False) == rendered
    print(
        say(
            f"编码再解码，是否一样：{'是' if same else '否'}",
            f"Encoded and decoded, the same: {'yes' if same else 'no'}",
        )
    )
    for name, text in SAMPLES.items():
        ids = tokenizer.encode(text)
        pieces = "|".join(spell(tokenizer, id)[0] for id in ids[:16])
        rate = len(text) / len(ids)
        print(say(f"  {name}：{rate:.2f} 字/token  {pieces}…", f"  {name}: {rate:.2f} characters a token  {pieces}…"))
