"""Does learning from preferences do what it says? On the world, where what an answer is worth is known; on a real chat model.

    python bench/preference.py --sft RUN --world-seed N       DPO and reward models on the world, from a quickstart's model
    python bench/preference.py --real MODEL --pairs FILE …    DPO of a real chat model on real pairs, a tenth of them held out

The world's model answers nearly always well, so it is made careless first: fine-tuned on answers of which half have a flaw. Its
preferences are then about even, and what it writes is worth what such answers are. Runs that are there already are not done
again, so the program can be stopped and started.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from _record import RESULTS, bar, record


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sft", metavar="RUN", help="fine-tuned model of a quickstart")
    parser.add_argument("--world-seed", type=int, default=0, help="seed of that quickstart")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--real", metavar="MODEL", help="a real chat model")
    parser.add_argument("--pairs", type=Path, nargs="*", default=[])
    parser.add_argument("--smoke", action="store_true", help="a few rows and steps, and no result file")
    chosen = parser.parse_args(argv)
    from _preference import on_a_real_model, on_the_world  # loads torch

    path = RESULTS / "preference.json"
    numbers = json.loads(path.read_text(encoding="utf-8"))["numbers"] if path.is_file() else {}
    if chosen.sft:
        world = on_the_world(chosen.sft, chosen.world_seed, chosen.seeds, chosen.smoke)
        numbers["world"] = {
            "measures": world,
            "bars": {
                "DPO, held-out pairs": bar(world["dpo: all"]["mean"], ">=", 0.95),
                "facts, share lost": bar(world["facts_before"]["mean"] - world["facts_after"]["mean"], "<=", 0.03),
                "what answers are worth": bar(world["worth_after"]["mean"], ">=", world["worth_before"]["mean"]),
                "reward model, held-out pairs": bar(world["reward: all"]["mean"], ">=", 0.95),
            },
        }
    if chosen.real:
        numbers["real"] = on_a_real_model(chosen.real, chosen.pairs, chosen.smoke)
    record("preference", smoke=chosen.smoke, **numbers)


if __name__ == "__main__":
    main()
