"""What the tokenizer verb prints: the coloured token view and the measurements of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from fledge.model.presets import preset

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

SHADES = ("on grey19", "on dark_blue", "on grey30", "on dark_green")
VISIBLE = {" ": "·", "\n": "⏎", "\r": "␍", "\t": "→", "\u3000": "□"}


def token_text(tokenizer: Tokenizer, id: int) -> str:
    """Return a token made readable: spaces and line ends visible, bytes that are no whole character as ‹e4›."""
    data = tokenizer.token_bytes(id)
    if not data:
        return tokenizer.token_name(id)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"‹{byte:02x}›" if byte >= 0x80 else _visible(chr(byte)) for byte in data)
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in VISIBLE:
        return VISIBLE[char]
    return char if char.isprintable() else f"‹{ord(char):02x}›"


def token_view(tokenizer: Tokenizer, ids: list[int], width: int) -> Text:
    """Return lines of tokens on alternating backgrounds, each with its id underneath, none wider than `width` cells."""
    view = Text()
    tokens, numbers, used = Text(), Text(), 0
    for place, id in enumerate(ids):
        token, number = token_text(tokenizer, id), str(id)
        control = not tokenizer.token_bytes(id)
        size = max(cell_len(token), len(number)) + 1
        if used and used + size > width:
            view.append_text(tokens).append("\n").append_text(numbers).append("\n\n")
            tokens, numbers, used = Text(), Text(), 0
        shade = SHADES[place % len(SHADES)]
        tokens.append(token, style=f"bold red {shade}" if control else f"white {shade}")
        tokens.append(" " * (size - cell_len(token)))
        numbers.append(number.ljust(size), style="dim")
        used += size
    return view.append_text(tokens).append("\n").append_text(numbers)


def language_of(text: str) -> str:
    """Return zh when a fifth of the letters are Chinese (one says as much as a word), en when most are ASCII, or other."""
    letters = [char for char in text[:4000] if char.isalpha()]
    if not letters:
        return "other"
    if sum("\u4e00" <= char <= "\u9fff" for char in letters) >= 0.2 * len(letters):
        return "zh"
    return "en" if sum(char.isascii() for char in letters) >= 0.8 * len(letters) else "other"


def measure(texts: list[str], loaded: list[tuple[str, Tokenizer]], preset_name: str) -> list[dict[str, Any]]:
    """Return a row of measurements for raw bytes, for characters, and for each tokenizer.

    `bytes_per_token` is UTF-8 bytes of the text over tokens. `embedding_parameters`: what the vocabulary costs in the
    preset's model (input and, when untied, output); `embedding_share`: of all its parameters.
    """
    sizes = [len(text.encode("utf-8")) for text in texts]
    languages = [language_of(text) for text in texts]
    characters = len(set().union(*texts))
    rows = [
        _row("raw bytes", 256, sizes, sizes, languages, True, preset_name),
        _row("characters", characters, [len(text) for text in texts], sizes, languages, True, preset_name),
    ]
    for name, tokenizer in loaded:
        ids = tokenizer.encode_batch(texts)
        exact = all(tokenizer.decode(own) == text for own, text in zip(ids, texts))
        rows.append(_row(name, tokenizer.vocab_size, [len(own) for own in ids], sizes, languages, exact, preset_name))
    return rows


def _row(
    name: str, vocab_size: int, tokens: list[int], sizes: list[int], languages: list[str], exact: bool, preset_name: str
) -> dict[str, Any]:
    by_language = {}
    for language in sorted(set(languages)):
        own = [(size, count) for size, count, tag in zip(sizes, tokens, languages) if tag == language]
        by_language[language] = sum(size for size, _ in own) / max(sum(count for _, count in own), 1)
    parameters = preset(preset_name, vocab_size=vocab_size).num_parameters()
    return {
        "tokenizer": name,
        "vocab_size": vocab_size,
        "bytes": sum(sizes),
        "tokens": sum(tokens),
        "bytes_per_token": sum(sizes) / max(sum(tokens), 1),
        "bytes_per_token_by_language": by_language,
        "round_trip": exact,
        "embedding_parameters": parameters["embedding"],
        "embedding_share": parameters["embedding"] / parameters["total"],
    }
