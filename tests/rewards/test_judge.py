"""A served model as a reward: its grades, asked once each, and what happens when it is silent or chats."""

from __future__ import annotations

import pytest

from fledge.data.rows import TaskRow
from fledge.errors import UserError
from fledge.rewards import compose
from fledge.rewards.episode import Episode
from tests.endpoint.conftest import own_place  # noqa: F401 (every test has its own cache)
from tests.endpoint.server import asked, error, serving


def episode(answer: str) -> Episode:
    task = TaskRow([{"role": "user", "content": "2+2?"}], [])
    return Episode(task, [1], turns=[{"role": "assistant", "content": answer}], finished=True)


def grade(body) -> str:
    text = asked(body)
    return "[[10]]" if "four" in text else "[[1]]" if "five" in text else "Hm, hard to say."


@pytest.fixture
def judge(monkeypatch):
    def start(server):
        monkeypatch.setenv("FLEDGE_BASE_URL", server.url)
        return compose(["judge=m"], None, None)

    return start


def test_grades_go_from_0_to_1_and_equal_answers_are_asked_once(judge):
    with serving(grade) as server:
        episodes = [episode("four"), episode("five"), episode("<think>hm</think>four"), episode("")]
        total, by_name = judge(server)(episodes)
    assert total == [1.0, 0.0, 1.0, 0.0] and by_name["judge"] == total
    assert len(server.requests) == 2 and server.requests[0]["model"] == "m"


def test_an_answer_without_a_grade_is_worth_nothing_and_many_stop_the_run(judge):
    with serving(grade) as server:
        reward = judge(server)
        assert reward([episode("four"), episode("five"), episode("well")])[0] == [1.0, 0.0, 0.0]
        with pytest.raises(UserError, match="no grade to 2 of 3 answers"):
            reward([episode("four"), episode("well"), episode("um")])


def test_a_judge_that_is_not_there_is_one_sentence_before_anything_is_written(monkeypatch, judge):
    with pytest.raises(UserError, match="no address of a server"):
        compose(["judge"], None, None)
    with serving(lambda body: error(401, "no key")) as server:
        reward = judge(server)
        with pytest.raises(UserError, match="refuses the request with 401: no key"):
            reward([episode("four")])
