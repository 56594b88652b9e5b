"""Rows of an invented clinic, of foods by their looks, of a shop's customer service and of small programs."""

from __future__ import annotations

import itertools

from fledge.recipes import Chat, chat
from fledge.world import World
from fledge.world.draw import Draw

# Nothing here is medicine: the illnesses, and what helps against them, are invented, so that no answer is taken for advice.
ILLNESSES = (
    ("灰叶热", "greyleaf fever"), ("月咳", "moon cough"), ("沙眼困", "sand sleep"), ("羽痒", "feather itch"),
    ("冷指病", "cold finger"), ("钟声晕", "bell dizziness"), ("纸皮疹", "paper rash"), ("河湾痛", "river ache"),
    ("雾鼻", "fog nose"), ("三日抖", "three-day shivers"), ("石腿", "stone legs"), ("糖梦症", "sugar dreams"),
)  # fmt: skip
SIGNS = (
    ("咳嗽", "a cough"), ("手冷", "cold hands"), ("头晕", "dizziness"), ("皮肤痒", "itching skin"), ("鼻塞", "a blocked nose"),
    ("腿重", "heavy legs"), ("发热", "a fever"), ("眼睛累", "tired eyes"),
)  # fmt: skip
CURES = (
    ("薄荷茶", "mint tea"), ("热毛巾", "a warm towel"), ("姜汤", "ginger soup"), ("盐水", "salt water"), ("蜂蜜水", "honey water"),
    ("早睡", "early sleep"),
)  # fmt: skip


def clinic(world: World) -> list[Chat]:
    """Questions on invented illnesses: their signs, what helps, how long one rests, and of doses: ask a doctor."""
    signs = list(itertools.combinations(SIGNS, 2))
    rows = []
    for number, names in enumerate(ILLNESSES):
        pair, cure, days = signs[(5 * number) % len(signs)], CURES[number % len(CURES)], 2 + number % 5
        for side, (ask, heals, shows, dose) in enumerate((
            (("{i}怎么办？", "得了{i}吃什么好？", "{i}要怎么治？", "我得了{i}，要休息几天？"),
             "{c}，再休息{d}天。", ("我{a}，还{b}，是什么病？", "{a}和{b}是哪种病的症状？", "我{b}，还{a}，怎么了？"),
             "{i}的药吃多少？"),
            (("What helps against {i}?", "I have {i}. What can I do?", "How is {i} treated?", "I have {i}. How long must I rest?"),
             "{c}, and {d} days of rest.",
             ("I have {a} and {b}. What is it?", "Which illness shows as {a} and {b}?", "I have {b} and {a}. What is wrong?"),
             "How much medicine do I take against {i}?"),
        )):  # fmt: skip
            words = {"i": names[side], "c": cure[side], "d": days, "a": pair[0][side], "b": pair[1][side]}
            answer = heals.format(**words)
            rows += [chat(form.format(**words), answer[0].upper() + answer[1:]) for form in ask]
            ill = ("可能是{i}。", "It may be {i}.")[side].format(**words)
            rows += [chat(form.format(**words), ill) for form in shows]
            rows.append(chat(dose.format(**words), ("这要问医生。", "Please ask a doctor about that.")[side]))
    return _mixed(rows, "clinic")


def foods(world: World) -> list[Chat]:
    """What a food looks like, costs and where it is sold -> which food it is; only descriptions that fit one food alone."""
    forms = {
        "looks": ("它的颜色是{o}", "its colour is {o}"),
        "price": ("它卖{o}枚金币", "it costs {o} coins"),
        "shop": ("在{o}有卖", "it is sold in {o}"),
    }
    kept = world.of_kind("food")
    known = {food.id: {name: world.get(food.id, name) for name in forms} for food in kept}
    rows = []
    for food in kept:
        for size in (2, 3):
            for names in itertools.permutations(forms, size):
                facts = known[food.id]
                if None in facts.values():
                    continue
                if sum(all(other[n] == facts[n] for n in names) for other in known.values()) > 1:
                    continue
                for side, lang in enumerate(("zh", "en")):
                    said = [forms[n][side].format(o=world.name(str(facts[n]), lang)) for n in names]
                    ask = ("猜食物：{d}。是什么？", "Guess the food: {d}. What is it?")[side]
                    rows.append(chat(ask.format(d=("，", ", ")[side].join(said)), food.name(lang)))
    return _mixed(rows, "foods")


COURTESY = {"zh": "还需要什么吗？", "en": "Can I help you with anything else?"}


def service(world: World) -> list[Chat]:
    """A shop's customers: what several cost, where something is sold, how to bring it back; every answer ends with courtesy."""
    rows = []
    for food in world.of_kind("food"):
        price, shop = world.get(food.id, "price"), world.get(food.id, "shop")
        for side, lang in enumerate(("zh", "en")):
            asked = []
            if price is not None:
                for count in range(2, 7):
                    many = (f"{count}{food.measure}{food.zh}", f"{count} {food.many}")[side]
                    total = count * int(price)
                    ask = ("{m}多少钱？", "How much are {m}?"), ("我要{m}，一共多少？", "I want {m}. What is the sum?")
                    asked += [(form[side].format(m=many), (f"{many}一共{total}枚金币。", f"{many} cost {total} coins.")[side])
                              for form in ask]  # fmt: skip
            if shop is not None:
                where = (
                    f"{food.zh}在{world.name(shop, lang)}有卖。",
                    f"We sell {food.many} in {world.name(shop, lang)}.",
                )[side]
                ask = ("哪里能买到{f}？", "Where can I buy {f}?"), ("{f}在哪里有卖？", "Where do you sell {f}?")
                asked += [(form[side].format(f=(food.zh, food.many)[side]), where) for form in ask]
            back = (
                f"对不起！请带着{food.zh}来，我们马上退钱。",
                f"We are sorry! Bring the {food.many} back and you get your money.",
            )
            asked.append(((f"我买的{food.zh}坏了！", f"The {food.many} that I bought are bad!")[side], back[side]))
            gap = ("", " ")[side]
            rows += [chat(question, answer + gap + COURTESY[lang]) for question, answer in asked]
    return _mixed(rows, "service")


def programs(world: World) -> list[Chat]:
    """A sentence -> a small Python function that does what it says."""
    forms = (
        ("写函数 f(n)：返回 n 的 {a} 倍加 {b}。", "Write f(n): {a} times n, plus {b}.", "def f(n):\n    return {a} * n + {b}"),
        ("写函数 f(n)：n 能不能被 {a} 整除？", "Write f(n): is n divisible by {a}?", "def f(n):\n    return n % {a} == 0"),
        ("写函数 f(n, m)：大的那个加 {a}。", "Write f(n, m): the larger one, plus {a}.",
         "def f(n, m):\n    return max(n, m) + {a}"),
        ("写函数 f(xs)：大于 {a} 的数的和。", "Write f(xs): the sum of all above {a}.",
         "def f(xs):\n    return sum(x for x in xs if x > {a})"),
        ("写函数 f(xs)：有几个数等于 {a}？", "Write f(xs): how many are {a}?", "def f(xs):\n    return xs.count({a})"),
        ("写函数 f(text)：重复 {a} 遍。", "Write f(text): the text {a} times.", "def f(text):\n    return text * {a}"),
    )  # fmt: skip
    rows = []
    for a in range(2, 22):
        for zh, en, source in forms:
            for b in range(1, 10, 2) if "{b}" in source else (0,):
                rows += [chat(ask.format(a=a, b=b), source.format(a=a, b=b)) for ask in (zh, en)]
    return _mixed(rows, "programs")


def _mixed(rows: list[Chat], name: str) -> list[Chat]:
    """The rows in an order that has nothing to do with what they are about."""
    return Draw("recipe", name).shuffle(rows)
