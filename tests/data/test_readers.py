"""Files: every format and encoding, and one clear sentence for everything that can be wrong with one."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc

import pytest

from fledge.data.readers import MAX_LINE, Bad, Quarantine, read_rows
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
    assert quarantine.bad[0].line == 4


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


@pytest.mark.parametrize("encoding", ["big5", "latin-1"])
def test_wrong_encoding_is_refused_with_its_place(write, encoding):
    text = "今天天氣很好，我們去臺北看電影。\n" * 20 if encoding == "big5" else "abc é ñandú à la carte "
    path = write("a.txt", text, encoding)
    first = next(i for i, byte in enumerate(path.read_bytes()) if byte > 127)
    assert f"neither UTF-8 nor GB18030 (byte {first} is wrong): save it as UTF-8" in message(path)


def test_wrong_byte_is_located_past_the_first_chunk_and_inside_a_character(write):
    good = "中" * 400_000  # a chunk of 2^20 bytes ends inside a character
    assert "(byte 1200001 is wrong)" in message(write("a.txt", good.encode() + b"a\xff" + good.encode()))
    assert "(byte 3 is wrong)" in message(write("b.txt", "中".encode() + b"\xe4\xb8"))


def test_missing_file_names_the_nearest(write, tmp_path):
    write("train.jsonl", ROWS)
    assert "Did you mean 'train.jsonl'?" in message(tmp_path / "trian.jsonl")
    assert f"the folder {tmp_path / 'nowhere'} does not exist" in message(tmp_path / "nowhere" / "a.txt")


def test_folder_empty_blank_and_binary(write, tmp_path):
    write("one.txt", "x")
    assert "is a folder" in message(tmp_path) and "one.txt" in message(tmp_path)
    assert "is empty (0 bytes)" in message(write("a.jsonl", b""))
    assert "only white space" in message(write("b.jsonl", "\n \n"))
    assert "only white space" in message(write("b.txt", "\n \n"))
    assert "is a binary file (byte 4 is NUL)" in message(write("c.txt", b"\x89PNG\0\0\0"))
    assert "is a binary file" in message(write("c.jsonl", b"\x89PNG\0\0\0"))


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
