from collections import Counter
from itertools import pairwise


def train_bpe(text: str, num_merges: int) -> list[tuple[bytes, bytes]]:
    """Learn up to `num_merges` merges of byte-level BPE, most frequent pair first; ties go to the smaller pair."""
    tokens = [bytes([byte]) for byte in text.encode("utf-8")]
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) < num_merges:
        counts = Counter(pairwise(tokens))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        merges.append(best)
        tokens = merge(tokens, best)
    return merges


def merge(tokens: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    """Replace every `pair` by the joined token, from the left."""
    out: list[bytes] = []
    i = 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == pair:
            out.append(pair[0] + pair[1])
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out
