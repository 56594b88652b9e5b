"""The comparison of a result with the right one: what counts as the same, and what is said when it is not."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from fledge.course.grader.checking import Case, difference, wanted
from fledge.course.grader.compare import Tolerance, unlike
from fledge.course.grader.measuring import measure_plainly
from fledge.course.grader.wire import NotPortable, decode, encode
from fledge.lang import Text

TIGHT = Tolerance(16, 1)
INF, NAN = math.inf, math.nan


def kind(got, want, tolerance=TIGHT):
    found = unlike(got, want, tolerance)
    return found and found.kind


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_the_tolerance_scales_with_the_quantity(scale):
    want = torch.tensor([1.0, -2.0]) * scale
    eps = torch.finfo(torch.float32).eps
    assert kind(want * (1 + 4 * eps), want) is None
    assert kind(want * (1 + 40 * eps), want) == "value"
    assert kind(torch.zeros(2), want) == "value"


def test_it_grows_with_the_number_of_terms_and_with_a_coarser_computation():
    want = torch.ones(3)
    got = want + 40 * torch.finfo(torch.float32).eps
    assert kind(got, want, Tolerance(16, 100)) is None
    assert kind(got, want, Tolerance(16, 1, torch.float16)) is None
    assert kind(got, want, Tolerance(16, 1)) == "value"


@pytest.mark.parametrize(
    ("got", "want", "expected"),
    [
        (torch.ones(2), torch.ones(2, 1), "contract"),
        (torch.ones(2).double(), torch.ones(2), "contract"),
        (1.0, torch.tensor(1.0), "contract"),
        (torch.tensor(1.0), 1.0, "contract"),
        (torch.tensor([NAN, 1.0]), torch.tensor([1.0, 1.0]), "finite"),
        (torch.tensor([1.0, 1.0]), torch.tensor([INF, 1.0]), "finite"),
        (torch.tensor([-INF, 1.0]), torch.tensor([INF, 1.0]), "finite"),
        (torch.tensor([NAN, INF, 1.0]), torch.tensor([NAN, INF, 1.0]), None),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), "value"),
        (torch.tensor([True]), torch.tensor([True]), None),
        (torch.tensor([1j]), torch.tensor([1j]), None),
        (torch.tensor([1j]), torch.tensor([-1j]), "value"),
        (torch.zeros(0, 3), torch.zeros(0, 3), None),
        (1, 1.0, None),
        (True, 1.0, "contract"),
        (1.0, 1, "contract"),
        (6.1e-17, 0.0, None),
        (0.1, 0.2, "value"),
        (NAN, NAN, None),
        (NAN, 1.0, "finite"),
        ([1, 2], [1, 2], None),
        ([1, 2], (1, 2), "contract"),
        ([1, 2], [1, 2, 3], "value"),
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"b": 1}, "value"),
        ("ab", "ab", None),
        (b"ab", "ab", "contract"),
        ([torch.ones(2), "x"], [torch.zeros(2), "x"], "value"),
    ],
)
def test_kinds(got, want, expected):
    assert kind(got, want) == expected


def test_the_message_names_the_place_and_both_numbers():
    want = torch.arange(6.0).view(2, 3)
    got = want.clone()
    got[1, 2] += 0.5
    message = unlike([{"loss": got}], [{"loss": want}], TIGHT).message
    assert message.en == "at [0]['loss'][1, 2]: got 5.5, wanted 5. (1 of 6 numbers are wrong)"
    assert message.zh == "位置 [0]['loss'][1, 2]：得到 5.5，应当是 5。（6 个数里有 1 个不对）"
    close = unlike(torch.tensor([1.00001]), torch.tensor([1.0]), TIGHT).message
    assert "got 1.00001, wanted 1." in close.en


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -(10**30), 0.1, INF, "汉\ud800\n", b"", b"\x00\xff", [1, (2.0, "x")], {}, {(1, b"a"): [None], 3: "d"},
    ],
)  # fmt: skip
def test_values_travel(value):
    back = decode(encode(value))
    assert back == value and type(back) is type(value)


def test_tensors_travel_with_strides_and_shared_memory():
    base = torch.arange(12.0).view(3, 4)
    a, b = decode(encode([base.T, base[:, 1]]))
    assert torch.equal(a, base.T) and a.stride() == (1, 4) and b.stride() == (4,)
    assert a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    for dtype in (torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64):
        assert decode(encode(torch.ones(2).to(dtype))).dtype == dtype
    back = decode(encode(torch.nn.Parameter(torch.ones(3)).expand(2, 3), limit=1000))
    assert type(back) is torch.Tensor and back.is_contiguous() and not back.requires_grad


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, lambda: 1, torch.zeros(2, device="meta"), torch.eye(2).to_sparse()]
)
def test_other_things_do_not_travel(value):
    with pytest.raises(NotPortable):
        encode([value])


def test_huge_results_do_not_travel():
    with pytest.raises(NotPortable, match=r"\[1000000000000\]"):
        encode(torch.zeros(1).expand(10**12), limit=2**20)
    with pytest.raises(NotPortable, match="bytes"):
        encode("x" * 2**21, limit=2**20)
    endless: list = []
    endless.append(endless)
    with pytest.raises(NotPortable, match="deeply"):
        encode(endless)


@pytest.mark.parametrize(
    "body", [b"", b"PASS", b"\x00" * 8, b"\x00" * 7 + b"\x02{}rubbish", encode([torch.ones(3)])[:-20]]
)
def test_rubbish_is_a_value_error(body):
    with pytest.raises(ValueError):
        decode(body)


@pytest.mark.parametrize(
    ("noise", "expected"), [(1e-17, None), (5e-8, None), (-3e-7, None), (1e-4, "WRONG_GRAD"), (NAN, "UNSTABLE")]
)
def test_a_gradient_of_0_has_a_floor(noise, expected):
    """Over one score softmax gives 1 whatever the score: the gradient is 0, and rounding differs from processor to processor."""
    score, value = torch.tensor([[2.5]]), torch.tensor([[3.0]])
    case = Case("one_score", (score, value), grad=True, length=2, about=Text("一个分数", "one score"))
    want = wanted(case, lambda score, value: (score.double().softmax(-1) * value).float(), "mix", 1)
    grads = want.answer.grads
    assert grads is not None and grads[0] is not None and grads[0].abs() < 1e-12
    problem = difference(case, want, dataclasses.replace(want.answer, grads=[torch.full((1, 1), noise), grads[1]]))
    assert (problem and problem.outcome) == expected
    assert difference(case, want, dataclasses.replace(want.answer, grads=[None, grads[1]])) is None
    problem = difference(case, want, dataclasses.replace(want.answer, grads=[grads[0], None]))
    assert problem is not None and "no gradient reaches" in problem.message.en


def test_the_floor_is_that_of_the_argument():
    """A small argument has large gradients, and so large errors; an argument of zeros is measured with the others' size."""

    def weighted(x, y, z):
        return ((x * 0).double().exp() * y.double() + z).float()

    def case(x: float, y: float) -> Case:
        args = (torch.tensor([x]), torch.tensor([y]), torch.zeros(1))
        return Case("case", args, grad=True, about=Text("甲", "a"))

    def verdict(case: Case, error: float):
        want = wanted(case, weighted, "weighted", 1)
        grads = [torch.tensor([error]), *(want.answer.grads or [])[1:]]
        return difference(case, want, dataclasses.replace(want.answer, grads=grads))

    assert verdict(case(1e-3, 1.0), 1e-4) is None and verdict(case(1.0, 1.0), 1e-4) is not None
    assert verdict(case(1.0, 1e3), 1e-4) is None and verdict(case(0.0, 1.0), 1e-4) is not None
    assert verdict(case(0.0, 1.0), 1e-8) is None


def test_what_was_given_is_what_must_change():
    """New tensors in the list change nothing for whoever holds the old ones."""

    def in_place(grads):
        for grad in grads:
            grad.mul_(0.5)

    def in_the_list(grads):
        grads[:] = [grad * 0.5 for grad in grads]

    def one_more(grads):
        in_place(grads)
        grads.append(torch.ones(1))

    case = Case("halved", ([torch.ones(2), torch.full((3,), 4.0)],), mutates=(0,), about=Text("减半", "halved"))
    want = wanted(case, in_place, "halve", 1)
    assert difference(case, want, measure_plainly(in_place, want.request)) is None
    answer = measure_plainly(in_the_list, want.request)
    problem = difference(case, want, answer)
    assert answer.replaced == [0] and problem is not None and "holds new tensors now" in problem.message.en
    untouched = dataclasses.replace(case, mutates=())
    problem = difference(untouched, want, measure_plainly(one_more, want.request))
    assert problem is not None and "has changed" in problem.message.en


def test_parameters_stay_parameters():
    weight = torch.ones(2)
    case = Case("scaled", ([weight],), mutates=(0,), trained=True, about=Text("缩放", "scaled"))

    @torch.no_grad()
    def scaled(weights):
        weights[0].mul_(0.5)

    def refused(weights):
        weights[0].mul_(0.5)

    def switched_off(weights):
        weights[0].requires_grad_(False).mul_(0.5)

    want = wanted(case, scaled, "scaled", 1)
    assert difference(case, want, measure_plainly(scaled, want.request)) is None
    for wrong, words in ((refused, "in-place operation"), (switched_off, "no longer require gradients")):
        problem = difference(case, want, measure_plainly(wrong, want.request))
        assert problem is not None and words in problem.message.en
