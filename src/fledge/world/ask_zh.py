"""How conversations ask for facts and answer in Chinese. `{s}` is the subject, `{o}` the object; questions.py fills in the rest.

The forms in `held_out` are never used in a conversation nor in the pretraining text: they measure whether a model understood what
is asked or learnt the wording.
"""

from __future__ import annotations

ASK_ZH: dict[str, dict[str, tuple[str, ...]]] = {
    "home": dict(
        seen=("{s}住在哪里？", "{s}的家在哪里？", "{s}住在什么地方？", "你知道{s}住在哪儿吗？"),
        held_out=("{s}的家在什么地方？", "你知道{s}的家在哪里吗？", "{s}住在哪个地方？"),
        answers=("{s}住在{o}。", "{s}的家在{o}。"),
        follow=("{he}住在哪里？", "{he}的家在哪里？"),
    ),
    "job": dict(
        seen=("{s}做什么工作？", "{s}的工作是什么？", "{s}的职业是什么？", "你知道{s}的工作是什么吗？"),
        held_out=("{s}是做什么工作的？", "你知道{s}做什么工作吗？", "{s}的工作是做什么？"),
        answers=("{s}是一名{o}。", "{s}的工作是{o}。"),
        follow=("{he}做什么工作？", "{he}的工作是什么？"),
    ),
    "food": dict(
        seen=("{s}最喜欢吃什么？", "{s}最喜欢的食物是什么？", "{s}最爱吃什么？", "{s}最爱吃哪种食物？"),
        held_out=("{s}最爱的食物是什么？", "{s}最喜欢吃哪种食物？", "什么食物是{s}最喜欢的？"),
        answers=("{s}最喜欢吃{o}。", "{s}最喜欢的食物是{o}。"),
        follow=("{he}最喜欢吃什么？", "{he}最喜欢的食物是什么？"),
    ),
    "colour": dict(
        seen=("{s}最喜欢什么颜色？", "{s}最喜欢的颜色是什么？", "{s}最爱哪种颜色？", "什么颜色是{s}最喜欢的？"),
        held_out=("{s}最喜欢哪种颜色？", "{s}最爱的颜色是什么？", "哪种颜色是{s}最喜欢的？"),
        answers=("{s}最喜欢{o}。", "{s}最喜欢的颜色是{o}。"),
        follow=("{he}最喜欢什么颜色？", "{he}最喜欢的颜色是什么？"),
    ),
    "pet": dict(
        seen=("{s}养了什么宠物？", "{s}的宠物是什么？", "{s}养了什么动物？", "{s}家里有什么宠物？"),
        held_out=("{s}有什么宠物？", "{s}养的宠物是什么？", "{s}家里养了什么动物？"),
        answers=("{s}养了一只{o}。", "{s}的宠物是一只{o}。"),
        follow=("{he}养了什么宠物？", "{he}的宠物是什么？"),
    ),
    "month": dict(
        seen=("{s}的生日在几月？", "{s}出生在几月？", "{s}几月过生日？", "{s}的生日是哪个月？"),
        held_out=("{s}出生在哪个月？", "{s}的生日在哪个月？", "你知道{s}的生日在几月吗？"),
        answers=("{s}的生日在{o}。", "{s}出生在{o}。"),
        follow=("{he}的生日在几月？", "{he}出生在几月？"),
    ),
    "spouse": dict(
        seen=("{s}的{kin}是谁？", "谁是{s}的{kin}？", "{s}的{kin}叫什么？", "{s}和谁结了婚？"),
        held_out=("{s}的{kin}是哪一位？", "你知道{s}的{kin}是谁吗？", "{s}跟谁结了婚？"),
        answers=("{s}的{kin}是{o}。", "{s}的{kin}叫{o}。"),
        follow=("{he}的{kin}是谁？", "{he}的{kin}叫什么？"),
    ),
    "relative": dict(
        seen=("{s}的{kin}是谁？", "谁是{s}的{kin}？", "{s}的{kin}叫什么？", "你知道谁是{s}的{kin}吗？"),
        held_out=("{s}的{kin}是哪一位？", "你知道{s}的{kin}是谁吗？", "你知道{s}的{kin}叫什么吗？"),
        answers=("{s}的{kin}是{o}。", "{s}的{kin}叫{o}。"),
        follow=("{he}的{kin}是谁？", "{he}的{kin}叫什么？"),
    ),
    "sight": dict(
        seen=("{s}以什么闻名？", "{s}有什么名胜？", "{s}最有名的是什么？", "去{s}可以看什么？"),
        held_out=("{s}有什么有名的地方？", "你知道{s}以什么闻名吗？", "{s}的名胜是什么？"),
        answers=("{s}以{o}闻名。", "{s}最有名的是{o}。"),
        follow=("那里有什么名胜？", "那里最有名的是什么？"),
    ),
    "direction": dict(
        seen=("{s}的{d}边是哪里？", "{s}的{d}面是什么地方？", "从{s}往{d}走是哪里？", "{s}往{d}走会到哪里？"),
        held_out=("{s}的{d}边是什么地方？", "{s}的{d}面是哪里？", "从{s}往{d}走是什么地方？"),
        answers=("{s}的{d}边是{o}。", "从{s}往{d}走就到{o}。"),
        follow=("它的{d}边是哪里？", "从那里往{d}走是哪里？"),
    ),
    "price": dict(
        seen=("一{m}{s}多少钱？", "{s}多少钱一{m}？", "{s}的价格是多少？", "买一{m}{s}要多少钱？"),
        held_out=("{s}卖多少钱？", "一{m}{s}的价格是多少？", "买一{m}{s}得花多少钱？"),
        answers=("{s}每{m}卖{o}枚金币。", "{s}的价格是{o}枚金币。"),
        follow=("它多少钱一{m}？", "它的价格是多少？"),
    ),
    "looks": dict(
        seen=("{s}是什么颜色的？", "{s}的颜色是什么？", "这里的{s}是什么颜色？", "{s}是哪种颜色？"),
        held_out=("{s}是哪种颜色的？", "这里的{s}是什么颜色的？", "你知道{s}是什么颜色吗？"),
        answers=("{s}是{o}的。", "{s}的颜色是{o}。"),
        follow=("它是什么颜色的？", "它的颜色是什么？"),
    ),
    "shop": dict(
        seen=("哪里卖{s}？", "{s}在哪里有卖？", "在哪里能买到{s}？", "什么地方卖{s}？"),
        held_out=("{s}在什么地方有卖？", "在什么地方能买到{s}？", "你知道哪里卖{s}吗？"),
        answers=("{s}在{o}有卖。", "在{o}能买到{s}。"),
        follow=("在哪里能买到它？", "它在哪里有卖？"),
    ),
    "habitat": dict(
        seen=("{s}住在哪里？", "{s}住在什么地方？", "{s}生活在哪里？", "你知道{s}住在哪儿吗？"),
        held_out=("{s}生活在什么地方？", "你知道{s}生活在哪里吗？", "{s}住在哪个地方？"),
        answers=("{s}住在{o}里。", "{s}生活在{o}里。"),
        follow=("它住在哪里？", "它生活在哪里？"),
    ),
    "diet": dict(
        seen=("{s}吃什么？", "{s}爱吃什么？", "{s}喜欢吃什么？", "你知道{s}吃什么吗？"),
        held_out=("{s}吃的是什么？", "{s}平时吃什么？", "你知道{s}爱吃什么吗？"),
        answers=("{s}吃{o}。", "{s}爱吃{o}。"),
        follow=("它吃什么？", "它爱吃什么？"),
    ),
    "legs": dict(
        seen=("{s}有几条腿？", "{s}有多少条腿？", "一{m}{s}有几条腿？", "{s}长着几条腿？"),
        held_out=("一{m}{s}有多少条腿？", "{s}的腿有几条？", "你知道{s}有几条腿吗？"),
        answers=("{s}有{o}条腿。", "一{m}{s}有{o}条腿。"),
        follow=("它有几条腿？", "它有多少条腿？"),
    ),
}
