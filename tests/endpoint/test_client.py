"""The client against a real server: it answers, is busy, breaks, is silent, refuses, and writes what is none of this."""

from __future__ import annotations

import json
import threading
import time

import pytest

from fledge.endpoint import Endpoint, Failure, Reply, ask_all, client
from fledge.endpoint.many import Memory, Pace, key_of
from fledge.errors import UserError
from tests.endpoint.server import asked, error, serving


def question(endpoint: Endpoint, text: str):
    return endpoint.payload([{"role": "user", "content": text}])


def ask(endpoint: Endpoint, text: str = "hello"):
    return endpoint.ask(question(endpoint, text))


def all_of(endpoint: Endpoint, texts: list[str]) -> list:
    found = dict(ask_all(endpoint, [question(endpoint, text) for text in texts]))
    return [found[number] for number in range(len(texts))]


def test_it_says_what_it_was_asked_and_takes_the_answer_apart():
    with serving(lambda body: {"content": "<think>\n我想想\n</think>\n\n答案"}) as server:
        endpoint = Endpoint(server.url, "m", temperature=0.1, max_tokens=5)
        assert ask(endpoint) == Reply("答案", "我想想", "stop", 7, 3)
    sent = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.1, "max_tokens": 5}
    assert server.requests == [sent]


def test_what_a_server_keeps_apart_is_the_reasoning():
    with serving(lambda body: {"content": "42", "reasoning_content": "six times seven"}) as server:
        assert ask(Endpoint(server.url)).reasoning == "six times seven"


def test_nothing_is_sent_without_an_address(monkeypatch):
    with pytest.raises(UserError, match="nothing is sent anywhere without it"):
        ask(Endpoint())
    with pytest.raises(UserError, match="is not the address of a server"):
        ask(Endpoint("ftp://somewhere"))
    with serving(lambda body: "yes") as server:
        monkeypatch.setenv("FLEDGE_BASE_URL", server.url + "/chat/completions")
        assert ask(Endpoint()).text == "yes"


def test_the_key_goes_into_the_header_and_nowhere_else(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serving(lambda body: "yes") as server:
        all_of(Endpoint(server.url), ["a"])
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    kept = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.jsonl")]
    assert kept and not any("secret" in text for text in kept)


def test_a_redirect_does_not_get_the_key(monkeypatch):
    monkeypatch.setenv("FLEDGE_API_KEY", "sk-secret")
    moved = pytest.raises(UserError, match="refuses the request with 307")
    with serving(lambda body: "stolen") as other:
        location = {"Location": other.url + "/chat/completions"}
        with serving(lambda body: (307, location, b"")) as server, moved:
            ask(Endpoint(server.url))
    assert other.requests == []


@pytest.mark.parametrize("trouble", [429, 500, 502, 503, "prose", "empty", "other form"])
def test_what_may_pass_is_tried_again(trouble):
    said = {"prose": (200, {}, b"Bad gateway"), "empty": (200, {}, b""), "other form": (200, {}, b'{"choices": []}')}
    tries = []

    def answer(body):
        tries.append(1)
        return "at last" if len(tries) == 3 else said.get(trouble) or error(trouble, "busy")

    with serving(answer) as server:
        assert ask(Endpoint(server.url, retries=2)).text == "at last"
        tries.clear()
        failed = ask(Endpoint(server.url, retries=1))
    assert isinstance(failed, Failure) and "tried 2 times" in failed.reason
    if isinstance(trouble, int):
        assert f"answered {trouble}: busy" in failed.reason


def test_it_waits_as_long_as_the_server_says(monkeypatch):
    waited = []
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda seconds: waited.append(seconds))
    with serving(lambda body: error(429, "slow down", Retry_After="17") if len(waited) < 1 else "ok") as server:
        endpoint = Endpoint(server.url)
        assert endpoint.ask(question(endpoint, "a"), stop).text == "ok"
    assert waited == [17.0]


def test_waits_double_and_are_never_longer_than_a_minute(monkeypatch):
    monkeypatch.undo()
    waits = [client.backoff(number) for number in range(5)]
    assert all(2.0**n / 2 <= wait <= 2.0**n for n, wait in enumerate(waits))


def test_a_silent_server_is_given_up():
    with serving(lambda body: 0.6) as server:
        failed = ask(Endpoint(server.url, timeout=0.1, retries=1))
    assert isinstance(failed, Failure) and "no answer within 0.1 s" in failed.reason


def test_nobody_there():
    with serving(lambda body: "yes") as server:
        pass  # and now it is gone
    assert "no connection to" in ask(Endpoint(server.url, retries=0)).reason


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_question_would_survive_ends_all_at_once(status):
    refused = pytest.raises(UserError, match=rf"refuses the request with {status}: no such model: check the address")
    with serving(lambda body: error(status, "no such model")) as server, refused:
        all_of(Endpoint(server.url, at_once=1), ["a", "b", "c"])
    assert len(server.requests) == 1


def test_a_question_that_is_refused_leaves_the_others():
    def answer(body):
        return error(400, "context length exceeded") if asked(body) == "long" else asked(body).upper()

    with serving(answer) as server:
        a, long, b = all_of(Endpoint(server.url), ["a", "long", "b"])
    assert (a.text, b.text) == ("A", "B")
    assert isinstance(long, Failure) and "400: context length exceeded" in long.reason
    assert sum(asked(body) == "long" for body in server.requests) == 1  # it will not be shorter the next time


def test_several_are_on_their_way_but_not_more_than_asked_for():
    def answer(body):
        time.sleep(0.05)
        return "ok"

    with serving(answer) as server:
        all_of(Endpoint(server.url, at_once=3), [str(n) for n in range(9)])
    assert server.most_at_once == 3


def test_the_pace_is_kept():
    """A floor on times, not a ceiling: nothing here fails on a slow machine."""
    with serving(lambda body: "ok") as server:
        all_of(Endpoint(server.url, at_once=4, per_minute=1200), [str(n) for n in range(5)])
    first, *_rest, last = sorted(server.times)
    assert last - first > 0.15  # four gaps of 0.05 s
    assert Pace(0)._gap == 0


def test_an_answer_is_paid_for_once():
    with serving(lambda body: asked(body).upper()) as server:
        endpoint = Endpoint(server.url)
        assert [reply.text for reply in all_of(endpoint, ["a", "b", "a"])] == ["A", "B", "A"]
        assert [reply.text for reply in all_of(endpoint, ["b", "c"])] == ["B", "C"]
        all_of(Endpoint(server.url, temperature=0.1), ["a"])  # another question
    assert sorted(asked(body) for body in server.requests) == ["a", "a", "b", "c"]


def test_stopped_in_the_middle_it_goes_on_where_it_was():
    with serving(lambda body: asked(body).upper()) as server:
        endpoint = Endpoint(server.url, at_once=1)
        payloads = [question(endpoint, str(n)) for n in range(6)]
        some = ask_all(endpoint, payloads)
        begun = [next(some) for _number in range(2)]
        some.close()  # as Ctrl-C does
        sent = len(server.requests)
        assert sent < 6 and len(begun) == 2
        found = dict(ask_all(endpoint, payloads))
    assert [found[n].text for n in range(6)] == [str(n) for n in range(6)]
    assert len(server.requests) <= 7  # six, and perhaps the one that was on its way


def test_a_line_that_a_power_cut_tore_is_asked_again(tmp_path):
    memory = Memory(tmp_path / "m.jsonl")
    memory.keep({"q": 1}, Reply("one"))
    memory.keep({"q": 2}, Reply("two"))
    memory.close()
    text = (tmp_path / "m.jsonl").read_text(encoding="utf-8")
    (tmp_path / "m.jsonl").write_text(text[:-9], encoding="utf-8")
    memory = Memory(tmp_path / "m.jsonl")
    assert memory.find({"q": 1}) == Reply("one") and memory.find({"q": 2}) is None
    memory.keep({"q": 3}, Reply("three"))
    memory.close()
    again = Memory(tmp_path / "m.jsonl")
    assert again.find({"q": 3}) == Reply("three") and again.find({"q": 1}) == Reply("one")
    again.close()


def test_the_key_of_a_question_knows_no_order():
    assert key_of({"a": 1, "b": "你"}) == key_of(json.loads('{"b": "你", "a": 1}')) != key_of({"a": 2, "b": "你"})


def test_a_server_that_never_answers_is_one_sentence():
    broken = pytest.raises(UserError, match=r"gave no answer to the first 4 questions.*500: out of memory")
    with serving(lambda body: error(500, "out of memory")) as server, broken:
        all_of(Endpoint(server.url, retries=0, at_once=2), [str(n) for n in range(50)])
    assert len(server.requests) < 20


def test_settings_that_cannot_work():
    for name in ("timeout", "max_tokens", "at_once"):
        with pytest.raises(UserError, match="must be at least"):
            Endpoint("http://x", **{name: 0})
