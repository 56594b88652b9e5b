def ai_preference(rows: list[dict], scores: list[float | None]) -> list[dict]:
    """Pairs {"prompt", "chosen", "rejected"} of rows {"prompt", "a", "b"} that a judge has scored; undecided ones make none."""
    pairs = []
    for row, score in zip(rows, scores):
        if score is None or score == 0.5 or row["a"].strip() == row["b"].strip():
            continue
        better, worse = ("a", "b") if score > 0.5 else ("b", "a")
        pairs.append({"prompt": row["prompt"], "chosen": row[better], "rejected": row[worse]})
    return pairs
