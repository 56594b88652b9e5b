def ai_preference(rows: list[dict], scores: list[float | None]) -> list[dict]:
    """Pairs {"prompt", "chosen", "rejected"} of rows {"prompt", "a", "b"} that a judge has scored; undecided ones make none."""
    raise NotImplementedError
