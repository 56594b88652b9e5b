from itertools import pairwise


def bpe_encode(text: str, merges: list[tuple[bytes, bytes]]) -> list[int]:
    """Text -> token ids: 0 to 255 are the bytes, 256 + i is the i-th merge; earlier merges are applied first."""
    rank = {pair: i for i, pair in enumerate(merges)}
    ids = {left + right: 256 + i for i, (left, right) in enumerate(merges)}
    tokens = [bytes([byte]) for byte in text.encode("utf-8")]
    while len(tokens) > 1:
        pair = min(pairwise(tokens), key=lambda pair: rank.get(pair, len(merges)))
        if pair not in rank:
            break
        tokens = merge(tokens, pair)
    return [token[0] if len(token) == 1 else ids[token] for token in tokens]


def bpe_decode(ids: list[int], merges: list[tuple[bytes, bytes]]) -> str:
    """Token ids -> text; bytes that are no UTF-8 become U+FFFD."""
    joined = b"".join(bytes([id]) if id < 256 else b"".join(merges[id - 256]) for id in ids)
    return joined.decode("utf-8", errors="replace")


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
