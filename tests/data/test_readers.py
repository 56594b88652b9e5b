"""Files: every format and encoding, and one clear sentence for everything that can be wrong with one."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc

import pytest

from fledge.data.readers import Bad, Quarantine, read_rows
from fledge.data.source import MAX_LINE
from fledge.errors import UserError
from tests.data.conftest import chat

TEXTS = ["first 一", "second 二", "third 三"]
ROWS = [{"text": text} for text in TEXTS]


def texts(path, quarantine=None):
    return [row.text for row in read_rows(path, "text", quarantine)]


def message(path, kind="text"):
    with pytest.raises(UserError) as error:
        list(read_rows(path, kind))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_formats_give_the_same_rows(write, tmp_path):
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    files = [
        write("a.jsonl", lines),
        write("b.jsonl", "\r\n".join(json.dumps(row) for row in ROWS) + "\r\n\r\n"),
        write("c.json", json.dumps(ROWS, indent=2)),
        write("d.json", lines),  # MiniMind calls JSON lines .json too
        write("e.jsonl.gz", gzip.compress(lines.encode("utf-8"))),
        write("f.jsonl", lines, "utf-8-sig"),
        write("g.jsonl", lines, "utf-16"),
        write("h.json", json.dumps(ROWS, ensure_ascii=False), "utf-16"),
    ]
    for file in files:
        assert texts(file) == TEXTS, file


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([*ROWS, {"text": None}]), path)
    quarantine = Quarantine()
    assert texts(path, quarantine) == TEXTS
    assert quarantine.bad == [Bad("a.parquet", 4, "'text' must be a string, it is missing")]
    chats = [chat() | {"text": None}, {"conversations": None, "text": None}]
    parquet.write_table(pyarrow.Table.from_pylist(chats), path)
    quarantine = Quarantine()
    assert len(list(read_rows(path, "chat", quarantine))) == 1
    assert "'conversations' must be a list of messages, it is missing" in quarantine.bad[0].reason


def test_parquet_without_pyarrow(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install pyarrow" in message(write("a.parquet", b"PAR1"))


def test_parquet_damaged(write):
    pytest.importorskip("pyarrow")
    assert "is not a parquet file that can be read" in message(write("a.parquet", b"PAR1 not really"))


def test_plain_text_is_one_document_with_unix_line_ends(write):
    assert texts(write("a.txt", "一\r\ntwo\r\n")) == ["一\ntwo\n"]
    assert texts(write("a.txt.gz", gzip.compress("一\ntwo".encode()))) == ["一\ntwo"]


CHINESE = "春天来了，花园里的花都开了。孩子们在树下读书，老师说今天的作业不多。\n" * 20


def test_gb18030_is_recognised_by_its_chinese(write):
    assert texts(write("a.txt", CHINESE, "gb18030")) == [CHINESE]
    assert texts(write("a.jsonl", [{"text": CHINESE}] * 2, "gb18030")) == [CHINESE] * 2


WESTERN = {
    "fr": "Le café est fermé. « Déjà vu », dit-elle à l’élève naïf ; où êtes-vous ?\n",
    "pt": "A educação não é só informação; ações e reações são coisas diferentes.\n",
    "de": "Über die Straße läuft ein schöner Bär. „Öfter“, sagte er.\n",
    "en": "It’s a “quoted” word – really… 5 €, and nothing else that is not ASCII in this line.\n",
}


@pytest.mark.parametrize("language", WESTERN)
def test_windows_1252_is_read_and_said(write, language):
    text = WESTERN[language]
    quarantine = Quarantine()
    assert texts(write("a.txt", text * 3, "cp1252"), quarantine) == [text * 3]
    assert quarantine.notes == ["a.txt: lines that are not UTF-8 and are read as Windows-1252: 3 (the first is line 1)"]
    quarantine = Quarantine()
    rows = [{"text": text}, {"text": "plain"}, {"text": text}]
    assert texts(write("a.jsonl", rows, "cp1252"), quarantine) == [text, "plain", text]
    assert quarantine.bad == [] and "read as Windows-1252: 2 " in quarantine.notes[0]
    assert texts(write("a.json", json.dumps(rows, ensure_ascii=False, indent=1), "cp1252"))[0] == text
    assert texts(write("a.csv", f'text,id\n"{text}",1\n', "cp1252")) == [text]


FOREIGN = {
    "big5": "今天天氣很好，我們去臺北看電影。\n",
    "shift_jis": "今日は天気がいいです。映画を見に行きましょう。\n",
    "euc-kr": "오늘은 날씨가 좋아서 영화를 보러 갑니다.\n",
    "koi8-r": "Сегодня хорошая погода, мы идём в кино.\n",
    "cp1251": "Сегодня хорошая погода, мы идём в кино.\n",
    "cp1250": "Zażółć gęślą jaźń. Dziś jest ładny dzień i pójdziemy do kina.\n",
}


@pytest.mark.parametrize("encoding", FOREIGN)
def test_an_encoding_that_is_not_known_is_refused_with_its_place(write, encoding):
    path = write("a.txt", FOREIGN[encoding] * 20, encoding)
    first = next(i for i, byte in enumerate(path.read_bytes()) if byte > 127)
    assert f"neither UTF-8, GB18030 nor Windows-1252 (byte {first} is wrong): save it as UTF-8" in message(path)


def test_a_bad_byte_costs_its_line_or_its_character_and_never_the_file(write):
    good = "中" * 400_000  # a chunk of 2^20 bytes ends inside a character
    for content, wanted, line in (
        (good.encode() + b"\na\xff" + good.encode(), good + "\na\ufffd" + good, 2),
        ("中".encode() + b"\xe4\xb8", "中\ufffd", 1),  # cut off in the middle of a character
        (b"plain words \xff and more\n" * 1 + b"more of them\n" * 50, None, 1),
    ):
        quarantine = Quarantine()
        found = texts(write("a.txt", content), quarantine)
        assert wanted is None or found == [wanted]
        assert quarantine.notes == [
            f"a.txt: bytes that are no character became �, in lines: 1 (the first is line {line})"
        ]
    items = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]
    quarantine = Quarantine()
    path = write("a.json", b"[" + b",\n".join([items[0], b'{"text": "\xff"}', *items[1:]]) + b"]")
    assert texts(path, quarantine) == TEXTS
    assert quarantine.bad == [Bad("a.json", 2, "not UTF-8 (it holds the byte 0xff)")]


@pytest.mark.parametrize("codec, name", [("gb18030", "GB18030"), ("cp1252", "Windows-1252")])
def test_every_line_of_a_file_put_together_from_two_is_read(write, codec, name):
    text = CHINESE.splitlines()[0] if codec == "gb18030" else WESTERN["fr"].strip()
    parts = [text.encode(), text.encode(codec), b"ascii"] * 4
    quarantine = Quarantine()
    assert texts(write("a.txt", b"\n".join(parts)), quarantine) == ["\n".join([text, text, "ascii"] * 4)]
    assert quarantine.notes == [f"a.txt: lines that are not UTF-8 and are read as {name}: 4 (the first is line 2)"]
    rows = [b'{"text": "' + part + b'"}' for part in parts]
    assert texts(write("a.jsonl", b"\n".join(rows))) == [text, text, "ascii"] * 4


def test_nul_bytes_are_left_out_and_said(write):
    for name, content, wanted in (
        ("a.txt", b"one\ntw\0o\n" + b"\0" * 4000, ["one\ntwo\n"]),  # the tail that a power cut leaves
        ("a.jsonl", b'{"text": "one"}\n{"text": "tw\0o"}\n' + b"\0" * 40, ["one", "two"]),
        ("a.json", b'[{"text": "one"},\n{"text": "tw\0o"}]' + b"\0" * 40, ["one", "two"]),
        ("a.csv", b"text\none\ntw\0o\n", ["one", "two"]),
    ):
        quarantine = Quarantine()
        assert texts(write(name, content), quarantine) == wanted, name
        line = 3 if name == "a.csv" else 2
        count = content.count(b"\0")
        assert quarantine.notes == [f"{name}: NUL bytes were left out: {count} (the first is in line {line})"]


def test_documents_of_a_text_are_parted_by_endoftext(write):
    quarantine = Quarantine()
    path = write(
        "stories.txt", "Once.\n\nTwo.\n<|endoftext|>\nA cat <b>.\n<|endoftext|>\n\n<|endoftext|>last<|endoftext|>\n"
    )
    assert texts(path, quarantine) == ["Once.\n\nTwo.", "A cat <b>.", "last"]
    assert quarantine.good == 3
    assert quarantine.notes == ["stories.txt is parted by <|endoftext|> into 3 documents"]
    assert "only white space" in message(write("b.txt", "<|endoftext|>\n<|endoftext|>"))


def test_rows_in_a_file_that_is_called_text(write):
    """Windows hides the ending and adds .txt; others save JSON lines as .txt."""
    lines = "\n".join(json.dumps(row) for row in ROWS)
    for name, content in (
        ("data.jsonl.txt", lines), ("data.json.txt", json.dumps(ROWS)), ("data.csv.txt", "text\n" + "\n".join(TEXTS)),
        ("rows.txt", lines), ("rows", "\n\n" + lines), ("data.jsonl.gz.txt", lines),
    ):  # fmt: skip
        assert texts(write(name, content)) == TEXTS, name
    quarantine = Quarantine()
    assert texts(write("rows.txt", lines), quarantine) and "rows.txt holds JSON lines" in quarantine.notes[0]
    chats = write("chats.txt", [chat()] * 3)
    assert len(list(read_rows(chats, "chat"))) == 3
    for other in ('{"a": 1}\n{"b": 2}', "{} is an empty set", '"Hello," he said.', "[1] a footnote"):
        assert texts(write("b.txt", other)) == [other]


def test_tables(write):
    wanted = ["one, two", 'a "quoted"\nline', "三"]
    rows = '"one, two",x\n"a ""quoted""\nline",y\n\n三,z\n'
    assert texts(write("a.csv", "text,label\n" + rows)) == wanted
    assert texts(write("b.csv", "\ufefftext,label\r\n" + rows)) == wanted
    assert texts(write("c.csv", "text;label\n" + rows.replace('",', '";').replace("三,", "三;"))) == wanted
    assert texts(write("d.tsv.gz", gzip.compress(b"id\ttext\n1\tone\n2\ttwo\n", mtime=0))) == ["one", "two"]
    quarantine = Quarantine()
    assert texts(write("e.csv", 'text,label\none,1\n"two\n2",2\nthree\nfour,4,4\nfive,5\n'), quarantine) == [
        "one",
        "two\n2",
        "five",
    ]
    assert [(bad.line, bad.reason) for bad in quarantine.bad] == [
        (5, "1 columns, and 2 in the first line"), (6, "3 columns, and 2 in the first line"),
    ]  # fmt: skip
    found = list(read_rows(write("f.csv", "question,answer\n2+2?,4\n"), "chat"))
    assert [m["content"] for m in found[0].messages] == ["2+2?", "4"]
    assert "no known schema has these keys: Sentence, Label" in message(write("g.csv", "Sentence,Label\nx,1\n"))
    assert "is not a table that can be read (line" in message(write("h.csv", 'text\n"' + "x" * (MAX_LINE + 10)))


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a.csv", "a.parquet", "a.jsonl.gz"])
def test_what_was_downloaded_in_the_place_of_data_is_refused(write, name):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    assert f"{name} is a Git LFS pointer and not the data: run `git lfs pull`" in message(write(name, pointer))
    for page in ("<!DOCTYPE html>\n<html><body>404</body></html>", "\n  <html lang='zh'><p>hi</p></html>"):
        assert f"{name} is a web page (HTML) and not data" in message(write(name, page))


@pytest.mark.parametrize(
    "content, said",
    [
        (b"PK\x03\x04 words", "is a ZIP archive"), (gzip.compress(b"words", mtime=0), "its name must end in .gz"),
        (b"%PDF-1.7 words", "is a PDF"), (b"PAR1 words", "its name must end in .parquet"),
        (b"BZh91AY words", "compressed by bzip2"), (b"\xfd7zXZ\0 words", "compressed by xz"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "is a binary file"), (bytes(range(256)), "is a binary file"),
        (b"words" + b"\0\1\2" * 100, "is a binary file"),
    ],
)  # fmt: skip
def test_files_of_other_programs_are_refused(write, content, said):
    for name in ("a.txt", "a.jsonl"):
        assert said in message(write(name, content))


def test_json_over_several_lines(write):
    """Pretty-printed objects, one after the other or in a list inside an object, are rows."""
    for name, content in (
        ("a.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("b.jsonl", "\n\n".join(json.dumps(row, indent=2, ensure_ascii=False) for row in ROWS)),
        ("c.json", json.dumps({"data": ROWS})),
        ("d.json", json.dumps({"version": 1.0, "name": "x", "data": ROWS, "tags": []}, indent=2)),
        ("e.json", json.dumps({"train": TEXTS}, indent=1)),
        ("f.json", json.dumps({"rows": ROWS[:2]}) + "\n" + json.dumps(ROWS[2])),
    ):
        assert texts(write(name, content)) == TEXTS, name
    one = write("one.json", json.dumps(chat(), indent=2))
    assert len(list(read_rows(one, "chat"))) == 1
    quarantine = Quarantine()
    path = write("g.json", json.dumps({"data": [*ROWS, {"txt": "x"}]}, indent=2))
    assert texts(path, quarantine) == TEXTS and quarantine.bad[0].line == 4, "rows of a list are numbered"
    assert "line 4 column 1: Expecting" in message(write("h.json", '{\n"text": "a"\n}\noops'))
    quarantine = Quarantine()
    assert texts(write("i.jsonl", ['{"text": "a",', *ROWS]), quarantine) == TEXTS, "a broken line is one bad row"
    assert quarantine.bad[0].line == 1
    assert "no known schema has these keys: train, test" in message(
        write("j.json", json.dumps({"train": ROWS, "test": ROWS}))
    )


def test_strings_in_the_place_of_rows_are_texts(write):
    assert texts(write("a.jsonl", [json.dumps(text) for text in TEXTS])) == TEXTS
    assert texts(write("a.json", json.dumps(TEXTS))) == TEXTS
    assert "text data, and chat rows are needed here" in message(write("a.json", json.dumps(TEXTS)), "chat")


def test_missing_file_names_the_nearest(write, tmp_path):
    write("train.jsonl", ROWS)
    assert "Did you mean 'train.jsonl'?" in message(tmp_path / "trian.jsonl")
    assert f"the folder {tmp_path / 'nowhere'} does not exist" in message(tmp_path / "nowhere" / "a.txt")


def test_folder_empty_and_blank(write, tmp_path):
    write("one.txt", "x")
    assert "is a folder" in message(tmp_path) and "one.txt" in message(tmp_path)
    assert "is empty (0 bytes)" in message(write("a.jsonl", b""))
    assert "only white space" in message(write("b.jsonl", "\n \n"))
    assert "only white space" in message(write("b.txt", "\n \n"))


def test_plain_text_is_no_conversation(write):
    assert "is plain text, which holds no chat rows" in message(write("a.txt", "hello"), "chat")


def test_damaged_gzip(write):
    whole = gzip.compress(json.dumps(ROWS[0]).encode() * 1000)
    assert "cannot be unpacked" in message(write("a.jsonl.gz", whole[: len(whole) // 2]))
    assert "cannot be unpacked" in message(write("b.jsonl.gz", b"not gzip at all"))


@pytest.mark.parametrize(
    "broken, where",
    [
        ('[{"text": "a"}, {"text": ]', "line 1 column 26"),
        ('[{"text": "a"}', "line 1 column 15"),
        ('[{"text": "a"}]\n[{"text": "b"}]', "line 2 column 1: Extra data"),
    ],
)
def test_broken_array_says_where(write, broken, where):
    assert where in message(write("a.json", broken))


def test_bad_lines_are_quarantined_with_place_and_reason(write):
    rows = [
        ROWS[0], '{"text": "cut', ROWS[1], {"txt": "x"}, '{"text": "\\ud83d alone"}', ROWS[2], ROWS[0], "[1, 2]", ROWS[1],
    ]  # fmt: skip
    quarantine = Quarantine()
    path = write("a.jsonl", rows)
    assert texts(path, quarantine) == [*TEXTS, TEXTS[0], TEXTS[1]]
    assert [bad.line for bad in quarantine.bad] == [2, 4, 5, 8]
    assert quarantine.bad[0] == Bad("a.jsonl", 2, "not JSON: Unterminated string starting at (column 10)")
    assert "half a surrogate pair" in quarantine.bad[2].reason
    assert quarantine.good == 5
    assert quarantine.summary().startswith("4 of 9 rows could not be read; the first is a.jsonl line 2: not JSON")


def test_one_wrong_byte_costs_one_line(write):
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]
    quarantine = Quarantine()
    assert texts(write("a.jsonl", b"\n".join([lines[0], b'{"text": "\xff"}', *lines[1:]])), quarantine) == TEXTS
    assert quarantine.bad == [Bad("a.jsonl", 2, "not UTF-8 (byte 10 of the line is 0xff)")]


def test_more_bad_than_good_is_an_error_with_the_first_reason(write):
    path = write("a.jsonl", [ROWS[0], "{", "{", ROWS[1], {"no": 1}])
    assert message(path) == (
        f"{path}: only 2 of its 5 rows can be read as text data; "
        "line 2: not JSON: Expecting property name enclosed in double quotes (column 2)"
    )
    assert "none of its rows can be read as text data; line 1: a row with the minimind schema is chat data" in message(
        write("b.jsonl", [chat()])
    )


def test_deep_nesting_and_huge_numbers_are_bad_rows(write):
    quarantine = Quarantine()
    assert texts(write("a.jsonl", [*ROWS, "[" * 200_000, '{"text": ' + "9" * 5000 + "}"]), quarantine) == TEXTS
    assert [bad.line for bad in quarantine.bad] == [4, 5]


def test_a_100_mb_line_is_skipped_without_being_held(write):
    path = write("a.jsonl", [ROWS[0]])
    with path.open("ab") as file:
        file.write(b'{"text": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
        file.write(b'"}\n' + json.dumps(ROWS[1]).encode() + b"\n")
    quarantine = Quarantine()
    tracemalloc.start()
    found = texts(path, quarantine)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == TEXTS[:2]
    assert quarantine.bad == [Bad("a.jsonl", 2, f"the line is longer than {MAX_LINE >> 20} MB")]
    assert peak < 2.5 * MAX_LINE


def test_a_damaged_line_that_is_a_whole_book_is_read_in_little_memory(write):
    text = "春天来了，花园里的花都开了。" * 400_000
    path = write("a.txt", text.encode() + b"\xff")
    tracemalloc.start()
    found = texts(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [text + "\ufffd"]
    assert peak < 6 * path.stat().st_size  # an encoding is seen in a piece of it


def test_a_long_line_of_plain_text_is_fine(write):
    line = "word " * 2_000_000  # 10 MB
    assert texts(write("a.txt", line)) == [line]


@pytest.mark.parametrize(
    "kind, files",
    {
        "text": {
            "pretrain/en_mix.jsonl.gz": 15161,
            "pretrain/zh_mix.jsonl.gz": 19469,
            "pretrain/tinyshakespeare.txt": 1,
        },
        "chat": {
            "sft/sft_belle_seed_zh.jsonl": 174,
            "sft/sft_dolly_en.jsonl": 5551,
            "sft/sft_identity_template.json": 91,
            "sft/sft_oasst_zh.jsonl": 766,
            "sft/sft_toolcall_en.json": 300,
            "sft/sft_toolcall_zh.json": 300,
            "rl/gsm8k_train.jsonl": 7473,
        },
        "preference": {
            "preference/dpo_hh_helpful_en.jsonl.gz": 2339,
            "preference/dpo_oasst_zh.jsonl": 772,
            "preference/dpo_politeness_en.jsonl": 1094,
        },
        "judged": {"preference/kto_demo_en_300.json": 300},
        "task": {"rl/gsm8k_train.jsonl": 7473},
    }.items(),
)
def test_real_files_are_read_whole(shared_data, kind, files):
    for name, count in files.items():
        quarantine = Quarantine()
        rows = list(read_rows(shared_data / name, kind, quarantine))
        assert (len(rows), quarantine.bad) == (count, []), name


def test_real_tool_calls_are_understood(shared_data):
    for name in ("sft/sft_toolcall_en.json", "sft/sft_toolcall_zh.json"):
        rows = list(read_rows(shared_data / name, "chat"))
        calls = [call["function"] for row in rows for m in row.messages for call in m.get("tool_calls", [])]
        known = {tool["function"]["name"] for row in rows for tool in row.tools or []}
        assert len(calls) > 100 and all(isinstance(call["arguments"], dict) for call in calls)
        assert {call["name"] for call in calls} <= known
