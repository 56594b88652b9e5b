def train_bpe(text: str, num_merges: int) -> list[tuple[bytes, bytes]]:
    """Learn up to `num_merges` merges of byte-level BPE, most frequent pair first; ties go to the smaller pair."""
    raise NotImplementedError
