"""Throughput of `fledge data clean` on real text: each stage by itself, the cheap ones together, and all of them, on one core.

MB are of UTF-8 text, as rows hold it; times are CPU seconds of this process, so that what else the machine does counts
little. The text is en_mix and zh_mix, repeated with the number of the round in front (or exact copies would end each
row early) until there is enough of it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _record import ROOT, bar, record

FILES = ("pretrain/en_mix.jsonl.gz", "pretrain/zh_mix.jsonl.gz")
CHEAP = ("repair", "pii", "length", "language", "repetition", "exact")


def texts_of(data: Path, megabytes: float) -> list[str]:
    """Real rows in their order, both files in turn, until there are so many MB."""
    from fledge.data.readers import read_rows

    rows = [row.text for name in FILES for row in read_rows(data / name, "text")]  # type: ignore[union-attr]
    texts, size, round_ = [], 0, 0
    while size < megabytes * 1e6:
        for text in rows:
            texts.append(f"{round_} {text}" if round_ else text)
            size += len(texts[-1].encode())
            if size >= megabytes * 1e6 and round_:
                break
        round_ += 1
    return texts


def stages() -> dict[str, Callable[[str], Any]]:
    """What each stage does with one text, without reading and writing."""
    from fledge.data.clean import filters, pii
    from fledge.data.clean.dedup import exact_key, signature
    from fledge.data.clean.repair import repair
    from fledge.data.clean.units import unit_hashes

    return {
        "repair": repair,
        "pii": pii.mask,
        "length": lambda text: filters.wrong_length(filters.counts_of(text), 2, 0),
        "language": lambda text: filters.wrong_language(filters.language(filters.counts_of(text)), ("zh", "en")),
        "repetition": lambda text: filters.repetition(text, filters.counts_of(text)),
        "exact": exact_key,
        "near": lambda text: signature(unit_hashes(text)),
    }


def megabytes_per_second(work: Callable[[], Any], size: int, repeats: int) -> float:
    """The best of some runs."""
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return round(size / 1e6 / best, 1)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder of real data")
    parser.add_argument("--megabytes", type=float, default=50.0, help="how much text, at least")
    parser.add_argument("--smoke", action="store_true", help="2 MB, once, and no result file")
    chosen = parser.parse_args(argv)
    texts = texts_of(chosen.data, 2.0 if chosen.smoke else chosen.megabytes)
    if chosen.smoke:
        texts = texts[:: max(1, len(texts) // 3000)]
    size = sum(len(text.encode()) for text in texts)
    repeats = 1 if chosen.smoke else 2

    from fledge.data.clean import Options, clean, filters, pii
    from fledge.data.clean.dedup import exact_key
    from fledge.data.clean.repair import repair

    def cheap() -> None:
        """The cheap stages on texts in memory, each computing what it needs once, as the pipeline does."""
        seen: set[int] = set()
        for text in texts:
            text = pii.mask(repair(text))
            counts = filters.counts_of(text)
            filters.wrong_length(counts, 2, 0)
            filters.wrong_language(filters.language(counts), ("zh", "en"))
            filters.repetition(text, counts)
            seen.add(exact_key(text))

    each = {
        name: megabytes_per_second(lambda work=work: [work(text) for text in texts], size, repeats)
        for name, work in stages().items()
    }
    together = megabytes_per_second(cheap, size, repeats)
    files: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        source.write_text(
            "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8"
        )
        off = dict.fromkeys((*CHEAP, "near"), False)
        for name, options in (
            ("reading and writing only", Options(**off)),
            ("the cheap stages", Options(near=False)),
            ("all stages", Options()),
        ):
            reports = []
            files[name] = megabytes_per_second(
                lambda options=options, reports=reports: reports.append(clean([source], out, options)), size, repeats
            )
        dropped = {stage.name: stage.dropped for stage in reports[-1].stages}
    record(
        "data_clean",
        smoke=chosen.smoke,
        rows=len(texts),
        megabytes=round(size / 1e6, 1),
        stage_mb_per_s=each,
        cheap_mb_per_s=together,
        files_mb_per_s=files,
        dropped=dropped,
        bars={"MB/s of the cheap filters on one core": bar(together, ">=", 10.0)},
    )


if __name__ == "__main__":
    main()
