"""A lab that costs nothing: a biased coin against a fair one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param


@dataclass(frozen=True)
class Settings:
    throws: int = param(400, low=1, high=10_000, zh="投掷次数", en="throws")
    coin: str = param("fair", choices=("fair", "biased", "nan"), zh="硬币", en="coin")
    bias: float = param(0.9, low=0.0, high=1.0, zh="偏向", en="bias", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    chance = {"fair": 0.5, "biased": settings.bias, "nan": float("nan")}[settings.coin]
    heads = torch.rand(settings.throws) < chance
    share = heads.double().mean().item() if settings.coin != "nan" else float("nan")
    return {"share": share, "so_far": heads.double().cumsum(0).tolist()}


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        mean, low, high = results.band(arm, "so_far")
        figure.line(left, range(len(mean)), mean, low, high, label=results.label(arm))
    figure.floor(left, 200, Text("一半", "half"))
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(right, labels, [results.mean(arm, "share") for arm in results.arms])
    figure.name(left, x=Text("次数", "throw"), y=Text("正面", "heads"))


def make(**changes) -> Lab:
    spec = {
        "title": Text("硬币公平吗？", "Is the coin fair?"),
        "about_zh": """
            两枚硬币，一枚偏。
            """,
        "settings": Settings(),
        "arms": {"fair": {"coin": "fair"}, "biased": {"coin": "biased"}},
        "labels": {"fair": Text("公平", "fair"), "biased": Text("偏", "biased")},
        "seeds": 5,
        "run": run,
        "metrics": {
            "share": Metric(Text("正面的比例", "share of heads"), chance=0.5),
            "so_far": Metric(Text("至今的正面", "heads so far")),
        },
        "claims": [
            Claim("more", Text("多得多", "many more"), lambda arm: arm["biased"]["share"] > arm["fair"]["share"] + 0.2),
            Claim(
                "half", Text("约一半", "about half"), lambda arm: abs(arm["fair"]["share"] - 0.5) < 0.15, absolute=True
            ),
        ],
        "sabotages": [
            Sabotage({"bias": 0.5}, ("more",), Text("不再偏", "no bias")),
            Sabotage({"coin": "biased"}, ("half",), Text("都偏", "all biased")),
        ],
        "prediction": Prediction(
            Text("哪个多？", "Which has more?"),
            {"fair": Text("公平的", "the fair one"), "biased": Text("偏的", "the biased one")},
            lambda results: max(results.arms, key=lambda arm: results.mean(arm, "share")),
        ),
        "figure": draw,
        "quick": {"throws": 100},
    }
    return Lab(**spec | changes)


lab = make()

if __name__ == "__main__":
    lab.main()
