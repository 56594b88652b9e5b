"""`fledge data get`: names, addresses, mirrors, and what the command says and asks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fledge.cli import main
from fledge.data.catalog import MIRROR, address, catalog, find
from fledge.errors import UserError
from tests.data.flaky_server import DATA, serving

DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server():
    with serving() as server:
        yield server


# Names and addresses


def test_names_addresses_and_mistakes(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.delenv(MIRROR, raising=False)
    assert address(find("pretrain_hq")).endswith("/pretrain_hq.jsonl")
    assert find("pretrain_hq.jsonl") is find("pretrain_hq")
    assert find("dpo.jsonl").collection == "minimind-v3" and find("dpo-v2.5").file == "dpo.jsonl"
    assert address(find("dpo"), "modelscope") == (
        "https://www.modelscope.cn/datasets/gongjy/minimind_dataset/resolve/master/dpo.jsonl"
    )
    with pytest.raises(UserError, match="use --source huggingface"):
        address(find("sft_512"), "modelscope")
    with pytest.raises(UserError, match="Did you mean 'pretrain_hq'"):
        find("pretrain_hg")
    entry = find("https://somewhere.org/a/b%20c.jsonl?download=true")
    assert (entry.file, address(entry)) == ("b c.jsonl", "https://somewhere.org/a/b%20c.jsonl?download=true")
    for wrong in ("ftp://somewhere.org/a", "https://somewhere.org/", "https://somewhere.org/..", "https://x.org/a%5Cb"):
        with pytest.raises(UserError):
            find(wrong)


def test_mirrors_are_the_users_own(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.local/hf/")
    assert address(find("dpo")).startswith("http://mirror.local/hf/datasets/jingyaogong/minimind_dataset/resolve/")
    assert address(find("dpo"), "modelscope").startswith("https://www.modelscope.cn/")
    monkeypatch.setenv(MIRROR, "http://school.local/data/")
    assert address(find("dpo")) == "http://school.local/data/dpo.jsonl"
    assert address(find("dpo"), base_url="http://other") == "http://other/dpo.jsonl"
    assert address(find("dpo"), "modelscope").startswith("https://www.modelscope.cn/")
    with pytest.raises(UserError, match="is not an address"):
        address(find("dpo"), base_url="other")


def test_the_list_names_publishers_only_and_pins_what_it_can():
    entries = catalog().values()
    assert len(entries) == len({entry.name for entry in entries}) > 20
    for entry in entries:
        assert entry.licence and entry.zh and entry.en and entry.kind in ("text", "chat", "preference", "task")
        assert Path(entry.file).name == entry.file
        assert entry.sha256 is None or (len(entry.sha256) == 64 and entry.exact)
        for publisher in entry.sources:
            host = address(entry, publisher).split("/")[2]
            assert host in ("huggingface.co", "www.modelscope.cn", "raw.githubusercontent.com")


def test_the_checksums_of_files_that_we_have(shared_data):
    for name, path in (
        ("tinyshakespeare", "pretrain/tinyshakespeare.txt"),
        ("gsm8k", "rl/gsm8k_train.jsonl"),
        ("gsm8k-test", "bench/gsm8k_test.jsonl"),
    ):
        data = (shared_data / path).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (find(name).sha256, find(name).size)


# The command


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEDGE_LANG", "en")
    monkeypatch.delenv(MIRROR, raising=False)
    return tmp_path


def test_get_puts_files_into_dataset(server, here, capsys):
    assert main(["data", "get", server.url]) == 0
    assert (here / "data.jsonl").read_bytes() == DATA
    (here / "dataset").mkdir()
    assert main(["data", "get", server.url]) == 0
    assert (here / "dataset" / "data.jsonl").read_bytes() == DATA
    out = capsys.readouterr().out
    assert "data.jsonl: 1.0 MB" in out and DIGEST[:12] in out and "nobody publishes its checksum" in out


def test_get_by_name_from_a_mirror_checks_the_list(server, here, capsys):
    base = server.url.rsplit("/", 1)[0]
    assert main(["data", "get", "tinyshakespeare", "--base-url", base, "--to", "new/folder"]) == 2
    captured = capsys.readouterr()
    assert "tinyshakespeare.txt: 1.0 MB (the list says 1.1 MB)" in captured.out
    assert "is not the expected file" in captured.err
    assert [path.name for path in (here / "new/folder").iterdir()] == ["tinyshakespeare.txt.bad"]


def test_get_as_json(server, here, capsys):
    assert main(["data", "get", server.url, "--json"]) == 0
    (got,) = json.loads(capsys.readouterr().out)
    assert (got["sha256"], got["downloaded"]) == (DIGEST, True)


def test_a_large_download_is_asked_for_on_a_terminal(server, here, monkeypatch, capsys):
    from fledge.cli import data_get

    asked = []
    monkeypatch.setattr(data_get, "ASK_ABOVE", 1_000_000)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    assert main(["data", "get", server.url]) == 1
    assert "Download 1.0 MB to" in asked[0] and not (here / "data.jsonl").exists()
    assert main(["data", "get", server.url, "--yes"]) == 0 and len(asked) == 1
    monkeypatch.setattr(data_get, "ASK_ABOVE", 2_000_000)
    assert main(["data", "get", server.url, "--force"]) == 0 and len(asked) == 1


def test_ctrl_c_says_how_to_go_on(server, here, monkeypatch, capsys):
    from fledge.cli.data_get import Bar

    def stop(self, done, size):
        raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "update", stop)
    assert main(["data", "get", server.url]) == 130
    assert "of 1.0 MB of data.jsonl are kept; the same command goes on from there" in capsys.readouterr().err


def test_requests_that_make_no_sense(here, capsys):
    for words, said in (
        ([], "name a data set or an address"),
        (["pretrain_hg"], "Did you mean 'pretrain_hq'"),
        (["dpo", "dpo-v2.5"], "both called dpo.jsonl"),
        (["dpo", "--source", "modelscope", "--base-url", "http://x"], "give one of them"),
        (["http://x/y", "--source", "github"], "is an address itself"),
    ):
        assert main(["data", "get", *words]) == 2
        assert said in capsys.readouterr().err


def test_the_list_is_shown(here, capsys):
    assert main(["data", "get", "--list", "--json"]) == 0
    assert {"pretrain_hq", "agent_rl"} <= {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert main(["data", "get", "--list"]) == 0
    out = capsys.readouterr().out
    assert "pretrain_t2t_mini" in out and "CC-BY-NC" in out and "MIT" in out
