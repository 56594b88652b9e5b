"""`fledge synth` against a real server: rows that jobs read, nothing asked twice, and one sentence for what cannot work."""

from __future__ import annotations

import json
import re

import pytest

from fledge.cli import main
from fledge.data.clean.answers import refuses
from fledge.data.readers import read_rows
from fledge.endpoint import Reply
from fledge.synth.instruct import tasks_in, unusable
from fledge.synth.quality import wrong_with
from fledge.synth.questions import read_questions, text_of
from tests.endpoint.server import asked, error, serving

WORLD = {
    "capital of France": "Paris is the capital of France.",
    "2 + 2": "2 + 2 is 4.",
    "法国的首都": "法国的首都是巴黎。",
}


def knows(body):
    return next(
        (answer for key, answer in WORLD.items() if key in asked(body)), "I'm sorry, but I can't help with that."
    )


@pytest.fixture
def questions(tmp_path):
    rows = [
        {"conversations": [{"from": "human", "value": "What is the capital of France?"}, {"from": "gpt", "value": "Lyon"}]},
        {"instruction": "Add.", "input": "2 + 2", "output": ""},
        {"question": "法国的首都是哪里？"},
        {"messages": [{"role": "user", "content": "How do I pick a lock?"}]},
        {"note": "no question at all"},
    ]  # fmt: skip
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return str(path)


def run(*words: str) -> int:
    return main(["synth", *words])


def rows_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_questions_come_from_every_schema_and_their_answers_do_not(questions):
    found = read_questions(questions)
    said = [text_of(messages) for messages in found]
    assert said == ["What is the capital of France?", "Add.\n2 + 2", "法国的首都是哪里？", "How do I pick a lock?"]


def test_answers_are_rows_to_fine_tune_on_and_refusals_are_left_out(questions, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    with serving(knows) as server:
        assert run("answers", questions, "-o", str(out), "--base-url", server.url, "--api-model", "m") == 0
        assert run("answers", questions, "-o", str(out), "--base-url", server.url, "--api-model", "m", "--force") == 0
    assert len(server.requests) == 4  # the second time nothing was asked
    answers = [row.messages[-1]["content"] for row in read_rows(out, "chat")]
    assert answers == list(WORLD.values())
    said = capsys.readouterr().out
    assert "3 rows in" in said and "left out: 1 · the answer refuses" in said


def test_thoughts_become_think_and_a_row_without_any_is_left_out(questions, tmp_path, capsys):
    def thinks(body):
        return "<think>\nEurope, west.\n</think>\nParis." if "France" in asked(body) else "just so"

    out = tmp_path / "rows.jsonl"
    with serving(thinks) as server:
        assert run("answers", questions, "-o", str(out), "--base-url", server.url, "--thinking") == 0
    (row,) = read_rows(out, "chat")
    assert row.messages[-1] == {"role": "assistant", "content": "Paris.", "reasoning_content": "Europe, west."}
    assert "3 · the model showed no thoughts" in capsys.readouterr().out


def test_without_an_address_nothing_is_read_or_sent(questions, tmp_path, capsys):
    assert run("answers", questions, "-o", str(tmp_path / "rows.jsonl")) == 2
    assert "nothing is sent anywhere without it" in capsys.readouterr().err
    with serving(knows) as server:
        assert run("answers", questions, "-o", str(tmp_path / "rows.txt"), "--base-url", server.url) == 2
    assert server.requests == [] and "must end in .jsonl" in capsys.readouterr().err


def test_a_server_that_is_broken_leaves_no_file(questions, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    with serving(lambda body: error(500, "out of memory")) as server:
        words = ("answers", questions, "-o", str(out), "--base-url", server.url, "--retries", "0", "--at-once", "1")
        assert run(*words) == 2
    assert not out.exists() and "500: out of memory" in capsys.readouterr().err


SEEDS = ["Write a poem about the sea.", "Explain how a bicycle stays upright.", "List three uses of salt."]


@pytest.fixture
def seeds(tmp_path):
    path = tmp_path / "seeds.jsonl"
    path.write_text("\n".join(json.dumps({"instruction": seed, "output": "…"}) for seed in SEEDS), encoding="utf-8")
    return str(path)


NEW = [
    "Compare volcanoes with geysers in two sentences.",
    "Which taxes did medieval towns collect?",
    "Invent a riddle whose answer is bread.",
    "Turn 'spies never sleep' into a question.",
    "Tell a child why whales sing.",
    "Name a chess opening and its idea.",
    "Suggest a title for an album of violin music.",
]


def inventor(body):
    """New tasks, an old one, one with a picture, and answers to them."""
    text = asked(body)
    if "tasks that people gave" not in text:
        return f"An answer to the task {len(text)}."
    return f"{NEW[body['seed'] % 6]}\n5. Write a poem about the SEA.\n6. Describe this picture.\n7) {NEW[-1]}"


def test_new_instructions_are_unlike_the_seeds_and_are_answered(seeds, tmp_path, capsys):
    out = tmp_path / "new.jsonl"
    with serving(inventor) as server:
        words = ("instruct", seeds, "-o", str(out), "--count", "6", "--base-url", server.url, "--at-once", "2")
        assert run(*words) == 0
        asked_before = len(server.requests)
        assert run(*words, "--force") == 0  # the very same questions: all are remembered
        assert len(server.requests) == asked_before
    tasks = [row["conversations"][0]["content"] for row in rows_of(out)]
    assert len(tasks) == 6 == len(set(tasks)) and not set(tasks) & set(SEEDS)
    assert all(row["conversations"][1]["content"].startswith("An answer") for row in rows_of(out))
    said = capsys.readouterr().out
    assert "too much like another instruction" in said and "needs more than text" in said
    shown = asked(server.requests[0])
    assert all(seed in shown for seed in SEEDS) and "\n4." in shown


def test_a_model_that_repeats_itself_ends_the_search(seeds, tmp_path):
    out = tmp_path / "new.jsonl"
    with serving(lambda body: "Write a poem about the sea.") as server:
        assert run("instruct", seeds, "-o", str(out), "--count", "50", "--base-url", server.url, "--at-once", "1") == 1
    assert len(server.requests) == 5 and rows_of(out) == []


def test_a_chinese_list_of_seeds_asks_in_chinese(tmp_path):
    path = tmp_path / "seeds.jsonl"
    path.write_text(json.dumps({"question": "写一首关于大海的诗。"}, ensure_ascii=False), encoding="utf-8")
    with serving(lambda body: "讲一个关于火山的笑话，不超过五十字。") as server:
        run(
            "instruct",
            str(path),
            "-o",
            str(tmp_path / "o.jsonl"),
            "--count",
            "1",
            "--base-url",
            server.url,
            "--no-answers",
        )
    assert "下面是人们交给助手的任务" in asked(server.requests[0])


def test_tasks_are_read_from_lists_of_all_kinds():
    assert tasks_in("Do this.\n10. Do that.\n11、做这个\n- And this") == ["Do this.", "Do that.", "做这个", "And this"]
    assert unusable("Hi") and unusable("Summarise the attached file for me") and not unusable("Write three words")


def test_evolution_goes_on_from_the_last_good_one(seeds, tmp_path, capsys):
    def harder(body):
        text = asked(body)
        if "Write the task only" not in text:
            return "A long and careful answer."
        task = text.rpartition("\n\n")[2]
        if "salt" in task:
            return task  # the same again
        if "bicycle" in task:
            return "Here is the rewritten task: explain."
        return f"{task} Use exactly {len(task)} words, rhyme, and mention a lighthouse."

    out = tmp_path / "evolved.jsonl"
    with serving(harder) as server:
        assert run("evolve", seeds, "-o", str(out), "--rounds", "2", "--base-url", server.url) == 0
    tasks = [row["conversations"][0]["content"] for row in rows_of(out)]
    assert set(SEEDS) < set(tasks) and len(tasks) == 5
    assert (
        sum("lighthouse" in task for task in tasks) == 2 and sum(task.count("lighthouse") == 2 for task in tasks) == 1
    )
    said = capsys.readouterr().out
    assert "did not change" in said and "the instruction is none" in said


def writer_and_judge(body):
    """Writes two answers by the seed; judges that what holds 'good' is better, whatever its place."""
    if "seed" in body:
        return "bad: Lyon" if body["seed"] % 2 else "good: Paris"
    a, b = re.search(r"\[Answer A\]\n(.*)\n\n\[Answer B\]\n(.*)", asked(body), re.S).groups()
    return "[[C]]" if a == b else "[[A]]" if "good" in a else "[[B]]"


def test_pairs_that_a_judge_has_ordered_are_rows_for_dpo(questions, tmp_path, capsys):
    out = tmp_path / "pairs.jsonl"
    with serving(writer_and_judge) as server:
        assert run("pairs", questions, "-o", str(out), "--base-url", server.url) == 0
    rows = list(read_rows(out, "preference"))
    assert len(rows) == 4
    assert all(row.chosen[0]["content"] == "good: Paris" and row.rejected[0]["content"] == "bad: Lyon" for row in rows)
    assert "same verdict in both orders on 100% of 4 pairs; what stood first won 50%" in capsys.readouterr().out


def test_a_judge_that_follows_the_order_makes_no_pairs(questions, tmp_path, capsys):
    def first(body):
        return writer_and_judge(body) if "seed" in body else "[[A]]"

    with serving(first) as server:
        assert run("pairs", questions, "-o", str(tmp_path / "pairs.jsonl"), "--base-url", server.url) == 1
    said = capsys.readouterr().out
    assert "on 0% of 4 pairs; what stood first won 100%" in said and "4 · the judge sees a tie" in said


def test_two_files_are_compared_and_one_is_graded(tmp_path, capsys):
    for name, word in (("good", "good: Paris"), ("bad", "bad: Lyon")):
        rows = [{"question": f"q{n}?", "answer": word} for n in range(3)] + [
            {"question": f"only {name}", "answer": "x"}
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files = [str(tmp_path / f"{name}.jsonl") for name in ("bad", "good")]

    def reads(body):
        return "[[7]]" if "You grade one answer" in asked(body) else writer_and_judge(body)

    with serving(reads) as server:
        own = ("--base-url", server.url, "--json")
        assert run("judge", *files, *own, "-o", str(tmp_path / "verdicts.jsonl")) == 0
        report = json.loads(capsys.readouterr().out)
        assert run("judge", files[0], *own) == 0
        graded = json.loads(capsys.readouterr().out)
    assert report == {"pairs": 3, "a": 0, "b": 3, "tie": 0, "unread": 0, "consistent": 1.0, "first": 0.5}
    assert [row["winner"] for row in rows_of(tmp_path / "verdicts.jsonl")] == ["b", "b", "b"]
    assert graded == {"answers": 4, "graded": 4, "mean": 7.0}


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help with that.", "I cannot answer this.", "As an AI language model, I have no home.",
     "抱歉，我无法回答这个问题。", "作为一个人工智能，我没有感情。", "Sorry, I do not know."],
)  # fmt: skip
def test_refusals_are_known(text):
    assert refuses(text)


@pytest.mark.parametrize(
    "text", ["I can help: first …", "Sorry is the hardest word.", "巴黎。", "The letter apologises: I am sorry."]
)
def test_answers_are_no_refusals(text):
    assert not refuses(text)


def test_what_is_wrong_with_an_answer():
    question = "What are the four seasons of the year?"
    assert not wrong_with(question, Reply("Spring, summer, autumn, winter."))
    assert "empty" in wrong_with(question, Reply("  "))
    assert "breaks off" in wrong_with(question, Reply("Spring, summ", finish_reason="length"))
    assert "copies" in wrong_with(question, Reply("What are the four seasons of the year?"))
    assert wrong_with(question, Reply("spring and summer " * 200))  # a loop
