"""Text to numbers and back: byte-level BPE (`bpe` to read, `Tokenizer` to use) and the chat template."""

from fledge.tokenizer.tokenizer import Tokenizer

__all__ = ["Tokenizer"]
