"""The tokenizer of a model: byte-level BPE by the `tokenizers` library, the chat template, and the folder they live in.

The folder is Hugging Face's (`tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja`): transformers, vLLM and
llama.cpp read ours, and `Tokenizer.load` reads theirs, as long as they are byte-level BPE (Qwen, Llama 3, MiniMind, …) or
Gemma 3's.
`bpe.py` shows how the thing itself works.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel, Split

from fledge.adapt.format import is_adapter, plain_folder
from fledge.errors import UserError
from fledge.lang import _
from fledge.tokenizer.bpe import BYTE_TO_CHAR, SPLIT, TRAINING_SPLIT
from fledge.tokenizer.chat import Renderer, decode
from fledge.tokenizer.messages import normalise_messages
from fledge.tokenizer.spelling import byte_fallback, byte_level, is_known

ENDOFTEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (ENDOFTEXT, IM_START, IM_END)  # control tokens: text alone never makes one
ADDED_TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
PIECE = 1 << 17  # characters: training sees longer texts in pieces (the library needs 150 bytes of memory a character)
MIN_VOCAB = len(SPECIAL_TOKENS) + len(ADDED_TOKENS) + 256

Messages = Sequence[Mapping[str, Any]]
Tools = str | Sequence[Mapping[str, Any]] | None


class Tokenizer:
    """Byte-level BPE with a chat template.

    Three kinds of tokens: *ordinary* ones, learned; *added* ones such as `<think>`, which match wherever their text stands,
    because a model writes them itself; and *special* (control) ones such as `<|im_end|>`, which only the template, or
    `encode(…, special=True)`, can write.
    """

    def __init__(self, core: tokenizers.Tokenizer, config: dict[str, Any], chat_template: str | None):
        self.core = core
        self.config = config
        self.chat_template = chat_template
        core.encode_special_tokens = True  # the library must not find control tokens in text: we cut at them ourselves
        added = core.get_added_tokens_decoder()
        self._special_ids = {token.content: id for id, token in added.items() if token.special}
        longest_first = sorted(self._special_ids, key=len, reverse=True)
        self._special_regex = re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")
        ids = {token.content: id for id, token in added.items()}
        eos = _named(config, "eos_token")
        end = next((name for name in (IM_END, "<|eot_id|>", "<|end|>", "<end_of_turn>", eos) if name in ids), None)
        if end is None:
            raise UserError(
                _(
                    "This tokenizer has no end-of-sequence token; name one as eos_token in its tokenizer_config.json "
                    "and list it under added_tokens in tokenizer.json."
                )
            )
        pad, bos = _named(config, "pad_token"), _named(config, "bos_token")
        self._end = end
        self.im_end_id = ids[end]
        self.endoftext_id = next(ids[name] for name in (ENDOFTEXT, "<|end_of_text|>", pad, eos, end) if name in ids)
        self.im_start_id = next(
            (ids[name] for name in (IM_START, "<|start_header_id|>", bos) if name in ids), self.endoftext_id
        )
        self.vocab_size = max(core.get_vocab(with_added_tokens=True).values()) + 1

    # -- making, loading, saving ---------------------------------------------------------------------------------------

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, *, progress: bool = False) -> Tokenizer:
        """Learn a vocabulary from texts: the special and added tokens, the 256 bytes, then the most useful merges.

        All 256 bytes are in, so every string round-trips. There is no Unicode normaliser (Qwen has NFC): it would turn a
        written "e" + U+0301 into "é", and then the text that comes back is not the text that went in. A pair that occurs only
        once is not merged, so a small corpus may give fewer tokens than asked for. Words of more than 256 characters
        are cut and thinned out for counting (TRAINING_SPLIT); the finished tokenizer cuts none: its `tokenizer.json` is an
        ordinary one.
        """
        if vocab_size < MIN_VOCAB:
            raise UserError(
                _(
                    "A vocabulary of {vocab_size} is too small: {min_vocab} tokens are taken by the 256 bytes and "
                    "{merges} special tokens; ask for at least {min_vocab}, and for use some 1,000 to 32,000."
                ).format(vocab_size=vocab_size, min_vocab=MIN_VOCAB, merges=MIN_VOCAB - 256)
            )
        core = _byte_level(models.BPE(), TRAINING_SPLIT)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            show_progress=progress,
            initial_alphabet=BYTE_TO_CHAR,
            special_tokens=[*SPECIAL_TOKENS, *ADDED_TOKENS],
        )
        seen = 0

        def counted() -> Iterator[str]:
            nonlocal seen
            for text in texts:
                _check_unicode(text)
                seen += len(text)
                yield from (text[at : at + PIECE] for at in range(0, len(text), PIECE))

        core.train_from_iterator(counted(), trainer)
        if not seen:
            raise UserError(_("There is no text to train a tokenizer on: every file or row given is empty."))
        model = json.loads(core.to_str())["model"]
        core = _byte_level(models.BPE(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]]), SPLIT)
        core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
        core.add_tokens([AddedToken(token, special=False, normalized=False) for token in ADDED_TOKENS])
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": IM_END,
            "pad_token": ENDOFTEXT,
            "model_max_length": 32768,
            "clean_up_tokenization_spaces": False,
        }
        return cls(core, config, Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8"))

    @classmethod
    def load(cls, folder: str | Path) -> Tokenizer:
        """Read a Hugging Face folder, ours or a foreign one. UserError when it is none, or of another kind."""
        folder = Path(folder)
        if is_adapter(folder) and not (folder / "tokenizer.json").is_file():
            folder = plain_folder(folder)
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise UserError(
                _("{folder} holds no tokenizer.json; give the folder of a model or of a tokenizer.").format(
                    folder=folder
                )
            )
        try:
            text = path.read_text(encoding="utf-8")
            core = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises plain Exception
            raise _broken(path, _("cannot be read as a tokenizer ({error})").format(error=error)) from None
        content = json.loads(text)
        if not is_known(content):
            raise UserError(
                _(
                    "{path} is not a byte-level BPE tokenizer; Fledge reads those of Qwen, Llama 3, MiniMind, Gemma 3 and its own."
                ).format(path=path)
            )
        config = {**_read_json(folder / "special_tokens_map.json"), **_read_json(folder / "tokenizer_config.json")}
        template_path = folder / "chat_template.jinja"
        template = config.get("chat_template")
        if template_path.is_file():
            template = template_path.read_text(encoding="utf-8")
        elif isinstance(template, list):  # several named ones
            template = next((item["template"] for item in template if item.get("name") == "default"), None)
        return cls(core, config, template)

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and chat_template.jinja."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = {key: value for key, value in self.config.items() if key != "chat_template"}
        files = {
            "tokenizer.json": self.core.to_str(pretty=True),
            "tokenizer_config.json": json.dumps(config, ensure_ascii=False, indent=2) + "\n",
        }
        if self.chat_template is not None:
            files["chat_template.jinja"] = self.chat_template
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")

    # -- text ----------------------------------------------------------------------------------------------------------

    def vocabulary(self) -> dict[str, int]:
        """Every token as the library spells it (bytes as characters), and its id."""
        return self.core.get_vocab(with_added_tokens=True)

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Return the ids of a text. Only with `special` do control tokens written in it become control tokens."""
        if special:
            return self._encode_pieces([text])[0]
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Return the ids of many texts, on all cores; never a control token."""
        try:
            return [encoding.ids for encoding in self.core.encode_batch_fast(texts, add_special_tokens=False)]
        except (UnicodeEncodeError, TypeError):
            for text in texts:
                _check_unicode(text)
            raise

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """Return the text of ids; incomplete UTF-8 becomes U+FFFD, control tokens vanish unless `skip_special` is False."""
        table = self._bytes if skip_special else self._bytes_with_special
        return b"".join(table[id] if 0 <= id < len(table) else b"" for id in ids).decode("utf-8", errors="replace")

    def token_bytes(self, id: int) -> bytes:
        """Return the exact bytes that a token stands for; b"" for control tokens and ids that no token has."""
        return self._bytes[id] if 0 <= id < len(self._bytes) else b""

    def token_name(self, id: int) -> str:
        """Return the token as tokenizer.json spells it: `<|im_end|>`, `Ġthe`; "" for ids that no token has."""
        return self.core.id_to_token(id) or ""

    def byte_lengths(self) -> np.ndarray:
        """Return int32 [vocab_size]: how many bytes of text each token stands for (0 for control tokens)."""
        return np.array([len(token) for token in self._bytes], dtype=np.int32)

    @cached_property
    def _bytes(self) -> list[bytes]:
        special = set(self._special_ids.values())
        return [b"" if id in special else token for id, token in enumerate(self._bytes_with_special)]

    @cached_property
    def _bytes_with_special(self) -> list[bytes]:
        table = [b""] * self.vocab_size
        spelled = byte_fallback if getattr(self.core.model, "byte_fallback", False) else byte_level
        for token, id in self.core.get_vocab(with_added_tokens=False).items():
            table[id] = spelled(token) or b""
        for id, added in self.core.get_added_tokens_decoder().items():  # these are spelled as they are
            table[id] = added.content.encode("utf-8")
        return table

    # -- conversations -------------------------------------------------------------------------------------------------

    def render(
        self, messages: Messages, *, tools: Tools = None, add_generation_prompt: bool = False, thinking: bool = False
    ) -> str:
        """Return the conversation as text. For ids use `render_ids`: here a user's `<|im_end|>` looks like the template's."""
        return self._renderer.text(*normalise_messages(messages, tools), add_generation_prompt, thinking)

    def render_ids(self, messages: Messages, *, tools: Tools = None) -> tuple[list[int], list[bool]]:
        """Return the ids of a conversation and its mask: True for what the assistant writes, up to and with its end token.

        The ids are those of transformers' `apply_chat_template`, but for two things on purpose: control strings in the
        messages stay plain text, and text is cut where an assistant's turn begins, so that `prompt_ids` of the messages before
        it is always a prefix.
        """
        return self.render_ids_batch([messages], tools=[tools])[0]

    def render_ids_batch(
        self, conversations: Sequence[Messages], *, tools: Sequence[Tools] | None = None
    ) -> list[tuple[list[int], list[bool]]]:
        """`render_ids` of many conversations, each with its own tools, on all cores."""
        flags: list[list[bool]] = []  # of each conversation: which of its pieces are the assistant's
        pieces: list[str] = []
        coded: list[list[str]] = []
        for messages, own_tools in zip(conversations, tools or [None] * len(conversations)):
            spans, codes = self._renderer.spans(*normalise_messages(messages, own_tools))
            flags.append([flag for _, flag in spans])
            pieces += [piece for piece, _ in spans]
            coded += [codes] * len(spans)
        encoded = iter(self._encode_pieces(pieces, coded))
        out = []
        for own in flags:
            ids: list[int] = []
            mask: list[bool] = []
            for flag in own:
                piece = next(encoded)
                ids += piece
                mask += [flag] * len(piece)
            out.append((ids, mask))
        return out

    def prompt_ids(self, messages: Messages, *, tools: Tools = None, thinking: bool = False) -> list[int]:
        """Return the ids of the conversation so far and of the header that asks the assistant for an answer."""
        pieces, coded = self._renderer.prompt(*normalise_messages(messages, tools), thinking)
        return [id for ids in self._encode_pieces(pieces, [coded] * len(pieces)) for id in ids]

    @cached_property
    def _renderer(self) -> Renderer:
        if self.chat_template is None:
            raise UserError(
                _(
                    "This tokenizer has no chat template (a base model?): put a chat_template.jinja into its folder, "
                    "or use `fledge generate`, which continues a text."
                )
            )
        keys = ("bos_token", "eos_token", "pad_token", "unk_token")
        constants = {key: name for key in keys if (name := _named(self.config, key))}
        return Renderer(self.chat_template, list(self._special_ids), self._end, constants)

    def _encode_pieces(self, pieces: list[str], coded: list[list[str]] | None = None) -> list[list[int]]:
        """Encode pieces of template text: control tokens in them are control tokens, coded ones (see chat.py) are text.

        Most pieces between control tokens are the same few ("user\\n", "\\n"): each different one is encoded once.
        """
        cut = [self._special_regex.split(piece) for piece in pieces]  # the odd parts are control tokens
        if coded is not None:
            cut = [[decode(part, codes) for part in parts] if codes else parts for parts, codes in zip(cut, coded)]
        plain = list(dict.fromkeys(part for parts in cut for part in parts[::2] if part))
        ids_of = dict(zip(plain, self.encode_batch(plain))) | {"": []}
        return [
            [id for i, part in enumerate(parts) for id in (ids_of[part] if i % 2 == 0 else (self._special_ids[part],))]
            for parts in cut
        ]


def _byte_level(model: models.BPE, split: Split) -> tokenizers.Tokenizer:
    """Qwen2's pipeline around a BPE model: split, then bytes as visible characters."""
    core = tokenizers.Tokenizer(model)
    as_characters = ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    core.pre_tokenizer = pre_tokenizers.Sequence([split, as_characters])
    core.decoder = decoders.ByteLevel()
    return core


def _check_unicode(text: object) -> None:
    """Raise UserError for what is no text: another type, or half of a surrogate pair, which no UTF-8 can hold."""
    if not isinstance(text, str):
        kind = type(text).__name__
        raise UserError(_("The tokenizer takes text, not {kind}.").format(kind=kind))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"U+{ord(text[error.start]):04X}"
        raise UserError(
            _(
                "The text holds a lone surrogate ({code}) at character {start}, which is not valid Unicode; "
                'read the file again with the right encoding, or replace it (errors="replace").'
            ).format(code=code, start=error.start)
        ) from None


def _named(config: dict[str, Any], key: str) -> str | None:
    """Return the token that a config names: as a string, or as an object with `content`."""
    value = config.get(key)
    return value.get("content") if isinstance(value, dict) else value


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _broken(path, _("is not valid JSON ({error})").format(error=error)) from None
    if not isinstance(data, dict):
        raise _broken(path, _("holds no JSON object"))
    return data


def _broken(path: Path, why: str) -> UserError:
    return UserError(_("{path} {why}; copy the tokenizer folder again.").format(path=path, why=why))
