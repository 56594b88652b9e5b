def strip_think(text: str) -> tuple[str, str]:
    """(what stands between <think> and </think> at the beginning, the answer after it), both without white space around."""
    begun = text.strip()
    if not begun.startswith("<think>"):
        return "", begun
    thought, closed, answer = begun.removeprefix("<think>").partition("</think>")
    return thought.strip(), answer.strip() if closed else ""
