"""Every test has its own cache and no address; a try follows a try at once."""

from __future__ import annotations

import pytest

from fledge.endpoint import client


@pytest.fixture(autouse=True)
def own_place(monkeypatch, tmp_path):
    for name in (*client.ADDRESS, *client.KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(client, "backoff", lambda number: 0.0)
