"""Byte-level BPE from scratch, written to be read: train, encode, decode.

Sennrich et al. 2016 (arXiv:1508.07909) brought BPE to language models, GPT-2 the bytes (Radford et al. 2019). BPE
is data compression used as a vocabulary. Start with the 256 bytes, so that every string in every language can be
written; then again and again glue the most frequent neighbouring pair into a new token. `tokenizer.py` does the same
with a library in Rust, which is much faster; the tests hold that both learn the same merges in the same order.

Two things happen before BPE sees the text:

1. A regular expression (Qwen2's) cuts it into words, so that no token ever spans "dog." or the end of a line. Digits
   stand alone, and a word keeps its leading space.
2. Each byte is written as one visible character (GPT-2's table): the space becomes `Ġ`, the newline `Ċ`. Only with this
   can a vocabulary of bytes live in a JSON file; `tokenizer.json` of Qwen, Llama 3 and ours are all written this way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

# Qwen2's split. A letter run takes one preceding space or sign; a digit is alone; signs take the newlines after them.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Python's own `re` has no \p{L} ("any letter"), and its [^\W\d_] is another set: the library's engine does the cutting.
SPLIT = Split(Regex(SPLIT_PATTERN), behavior="isolated")

# A page of Chinese without punctuation, DNA, and a line of blanks are each one "word". Training cuts such a run every 256
# characters, or a merge would move the whole text about; and of every 1,024 letters or signs it sees the last quarter:
# hardly any of these pieces comes twice, so that a byte costs many times as much as in words, and a few show the same pairs.
# Shorter words, which are all that a language has, are those of SPLIT_PATTERN. What stands before `\K` is read and not kept.
_LETTER, _SIGN = r"\p{L}", r"[^\s\p{L}\p{N}]"
_LETTERS, _SIGNS = (rf"(?:{one}{{768}}\K{one}{{256}}|{one}{{1,256}})" for one in (_LETTER, _SIGN))
TRAINING_PATTERN = (
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?{_LETTERS}|\p{{N}}| ?{_SIGNS}[\r\n]{{0,256}}"
    r"|\s{0,256}[\r\n]{1,256}|\s{1,256}(?!\S)|\s{1,256}"
)
TRAINING_SPLIT = Split(Regex(TRAINING_PATTERN), behavior="removed", invert=True)  # what no match covers is left out

Pair = tuple[int, int]


def byte_characters() -> list[str]:
    """Return GPT-2's table: item b is the visible character that stands for byte b.

    Bytes that print well in Latin-1 stand for themselves; the 68 others (controls, space, …) take U+0100 and up.
    """
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = iter(range(256, 512))
    return [chr(byte if byte in visible else next(hidden)) for byte in range(256)]


BYTE_TO_CHAR = byte_characters()
CHAR_TO_BYTE = {char: byte for byte, char in enumerate(BYTE_TO_CHAR)}


def split_words(text: str) -> list[str]:
    """Cut text with Qwen2's regular expression. Nothing is lost: the pieces joined are the text."""
    return [word for word, _ in SPLIT.pre_tokenize_str(text)]


def training_words(text: str) -> list[str]:
    """The words of a text as training counts them: runs of more than 256 characters are cut, and thinned out."""
    return [word for word, _ in TRAINING_SPLIT.pre_tokenize_str(text)]


def merge_pair(ids: list[int], pair: Pair, new: int) -> list[int]:
    """Replace every `pair` in `ids` by `new`, from the left: merging (a, a) in [a, a, a] gives [aa, a]."""
    out: list[int] = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


class BPE:
    """A trained byte-level BPE: `vocab` (token → id), `merges` in the order they were learned.

    Ids: special tokens first, then the 256 bytes sorted by their visible character, then one id for each merge.
    """

    def __init__(self, merges: Iterable[tuple[str, str]], special_tokens: Iterable[str] = ()):
        self.tokens = [*special_tokens, *sorted(BYTE_TO_CHAR)]
        self.vocab = {token: id for id, token in enumerate(self.tokens)}
        self.merges: list[tuple[str, str]] = []
        self.rank: dict[Pair, int] = {}  # a pair's place in the list of merges: smaller was learned earlier
        self.result: dict[Pair, int] = {}  # what it becomes
        for left, right in merges:
            self._learn((self.vocab[left], self.vocab[right]))

    def _learn(self, pair: Pair) -> int:
        """Add a merge; return the id of the new token."""
        left, right = self.tokens[pair[0]], self.tokens[pair[1]]
        new = self.vocab[left + right] = len(self.tokens)
        self.tokens.append(left + right)
        self.rank[pair], self.result[pair] = len(self.merges), new
        self.merges.append((left, right))
        return new

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, special_tokens: Iterable[str] = (), min_frequency: int = 2
    ) -> BPE:
        """Learn merges until there are `vocab_size` tokens or no pair is left that occurs `min_frequency` times.

        Equal counts are decided as in Hugging Face's BpeTrainer: the pair with the smaller ids wins.
        """
        bpe = cls([], special_tokens)
        counts = Counter(
            word for text in texts for word in training_words(text)
        )  # each different word is worked on once
        words = [[bpe.vocab[BYTE_TO_CHAR[byte]] for byte in word.encode("utf-8")] for word in counts]
        times = list(counts.values())

        pair_count: Counter[Pair] = Counter()
        where: defaultdict[Pair, set[int]] = defaultdict(set)  # the words that (may) hold a pair: only they change
        for i, ids in enumerate(words):
            for pair in pairwise(ids):
                pair_count[pair] += times[i]
                where[pair].add(i)

        while len(bpe.tokens) < vocab_size and pair_count:
            best = min(pair_count, key=lambda pair: (-pair_count[pair], pair))
            if pair_count[best] < min_frequency:
                break
            new = bpe._learn(best)
            for i in where.pop(best):
                old, words[i] = words[i], merge_pair(words[i], best, new)
                for pair in pairwise(old):
                    pair_count[pair] -= times[i]
                for pair in pairwise(words[i]):
                    pair_count[pair] += times[i]
                    where[pair].add(i)
            pair_count = +pair_count  # drop the pairs that are gone
        return bpe

    def encode_word(self, word: str) -> list[int]:
        """Apply the merges to one word, the earliest learned first, until none fits."""
        ids = [self.vocab[BYTE_TO_CHAR[byte]] for byte in word.encode("utf-8")]
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda pair: self.rank.get(pair, len(self.merges)))
            if pair not in self.rank:
                break
            ids = merge_pair(ids, pair, self.result[pair])
        return ids

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text; special tokens written in it are ordinary characters here."""
        return [id for word in split_words(text) for id in self.encode_word(word)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids. Half a character (its bytes may lie in two tokens) becomes U+FFFD."""
        characters = "".join(self.tokens[id] for id in ids)
        return bytes(CHAR_TO_BYTE[c] for c in characters).decode("utf-8", errors="replace")
