def bpe_encode(text: str, merges: list[tuple[bytes, bytes]]) -> list[int]:
    """Text -> token ids: 0 to 255 are the bytes, 256 + i is the i-th merge; earlier merges are applied first."""
    raise NotImplementedError


def bpe_decode(ids: list[int], merges: list[tuple[bytes, bytes]]) -> str:
    """Token ids -> text; bytes that are no UTF-8 become U+FFFD."""
    raise NotImplementedError
