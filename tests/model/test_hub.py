"""Hub ids: a real server plays the Hugging Face hub, and a process of its own is pointed to it with HF_ENDPOINT."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.model.hub_server import hub
from tests.model.test_weights import sharded

CHILD = """
import json, sys
from fledge.errors import UserError
from fledge.model.folder import load_model
from fledge.model.source import find_model

said = {}
for name in sys.argv[1:]:
    try:
        folder = find_model(name)
        model = load_model(folder)
        said[name] = [folder.as_posix(), sum(float(p.detach().double().sum()) for p in model.parameters())]
    except UserError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def child(tmp_path, endpoint: str, *names: str, **env: str) -> dict:
    own = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "FLEDGE_LANG": "en", **env}
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        own.pop(name, None) if name not in env else None
    (tmp_path / "there").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *names],
        env=own,
        cwd=tmp_path / "there",
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.slow  # three processes that import torch
def test_a_model_of_the_hub_and_what_can_go_wrong_with_one(tmp_path):
    root = tmp_path / "hub"
    model = sharded(root / "some" / "model")
    total = sum(float(p.detach().double().sum()) for p in model.parameters())
    sharded(root / "some" / "cut")
    (root / "some" / "cut" / "model-00002-of-00003.safetensors").unlink()
    sharded(root / "some" / "broken")
    (root / "some" / "model" / "pytorch_model.bin").write_bytes(b"x" * 99)
    sharded(root / "some" / "gated")
    with hub(root) as server:
        server.gated.add("some/gated")
        said = child(tmp_path, server.address, "some/model", "some/cut", "some/none", "some/gated")
        assert said["some/model"][1] == pytest.approx(total, abs=1e-9)
        assert "'model-00002-of-00003.safetensors' is missing: download or copy it again" in said["some/cut"]
        assert f"{server.address} has no such model" in said["some/none"]
        assert f"agree at {server.address}/some/gated" in said["some/gated"]
        assert not any("pytorch_model.bin" in path for path in server.asked)  # pickles are not even fetched
        address = server.address
    # without a network: what was fetched before is there, and the rest is said in a sentence
    said = child(tmp_path, address, "some/model", "some/other")
    assert said["some/model"][1] == pytest.approx(total, abs=1e-9)
    assert f"{address} did not give it" in said["some/other"] and "check the connection" in said["some/other"]
    assert all("\n" not in sentence for sentence in said.values() if isinstance(sentence, str))
