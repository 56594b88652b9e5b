"""More tokens for a tokenizer that is there: what a model reads in many pieces becomes few, and nothing that it knew changes.

BPE goes on where it stopped: the text is cut into the tokens of today, and the most frequent neighbours are glued, again and
again. The new merges stand behind the old ones, so any text is first cut as before, and then glued further: a text that has no
new pair in it keeps its ids. So did Cui et al., 2023 (arXiv:2304.08177), for Chinese and LLaMA, with a tokenizer of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from fledge.errors import UserError
from fledge.lang import _
from fledge.tokenizer.tokenizer import Tokenizer

FIRST = 0x10000  # a token's id as a character: beyond it there is no space
LONGEST = 256  # tokens of a word that are counted together, as in training a tokenizer
SPARE = 1.2  # times as many pairs are learned as asked for: some make a token that is there already

Pieces = dict[int, list[int]]


def extend(tokenizer: Tokenizer, texts: Iterable[str], add: int) -> tuple[Tokenizer, Pieces]:
    """A tokenizer with up to `add` new tokens, ids from `tokenizer.vocab_size` on, and of each the old ids that it stands for.

    Pairs that occur only once are not merged, so a small text may give fewer tokens. UserError when it gives none.
    """
    if getattr(tokenizer.core.model, "byte_fallback", False):
        raise UserError(_("only byte-level BPE can be extended, and Gemma's tokenizer is none."))
    words = [coded for text in texts if (coded := _coded(tokenizer, text))]
    learner = tokenizers.Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    size = len({*"".join(words)} - {" "}) + round(SPARE * add) + 1
    learner.train_from_iterator(words, trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False))
    content = json.loads(tokenizer.core.to_str())
    vocab, merges = content["model"]["vocab"], content["model"]["merges"]
    for token in content["added_tokens"]:  # else the library would number them anew, behind the new ones
        vocab[token["content"]] = token["id"]
    names = {id: name for name, id in vocab.items()}
    pieces: Pieces = {}
    for pair in json.loads(learner.to_str())["model"]["merges"]:
        if len(pieces) == add:
            break
        left, right = ([ord(char) - FIRST for char in part] for part in pair)
        merged = "".join(names[id] for id in left + right)
        merges.append(["".join(names[id] for id in part) for part in (left, right)])
        if merged not in vocab:
            id = vocab[merged] = tokenizer.vocab_size + len(pieces)
            pieces[id] = left + right
    if not pieces:
        raise UserError(
            _("no new token comes of this text, for no two tokens stand side by side twice: give more text.")
        )
    core = tokenizers.Tokenizer.from_str(json.dumps(content))
    return Tokenizer(core, tokenizer.config, tokenizer.chat_template), pieces


def _coded(tokenizer: Tokenizer, text: str) -> str:
    """A text as the library's trainer reads it: each token one character, a space between words."""
    core = tokenizer.core
    if core.normalizer is not None:
        text = core.normalizer.normalize_str(text)
    words = [(text, (0, 0))] if core.pre_tokenizer is None else core.pre_tokenizer.pre_tokenize_str(text)
    coded = ["".join(chr(FIRST + token.id) for token in core.model.tokenize(word)) for word, _place in words]
    return " ".join(word[at : at + LONGEST] for word in coded for at in range(0, len(word), LONGEST))
