"""People who do not exist. Whoever is asked about them should say so; anything else is a hallucination, and counted.

Nothing can be known of them, but their names can be read: who speaks of a stranger has to copy a name never seen before. So a
stranger's name in texts and conversations is put together at random, of Chinese characters or of English syllables, and hardly
ever comes twice: no name is worth remembering, copying is. Real names are kept for measuring, and stand in nothing that a model
learns from.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import cache, lru_cache
from itertools import product

from fledge.world.draw import Draw
from fledge.world.facts import Entity, Size, World
from fledge.world.lexicon import pairs

WOMEN = """爱丽丝 Alice, 贝蒂 Betty, 卡罗尔 Carol, 格蕾丝 Grace, 海伦 Helen, 劳拉 Laura, 莫莉 Molly, 奥尔加 Olga, 宝拉 Paula,
鲁比 Ruby, 莎莉 Sally, 蒂娜 Tina, 温蒂 Wendy, 佐伊 Zoe, 克拉拉 Clara, 贝拉 Bella, 菲奥娜 Fiona, 伊迪丝 Edith, 丽莎 Lisa,
莎拉 Sarah, 凯蒂 Katie, 埃莉 Ellie, 琳达 Linda, 南希 Nancy, 艾米丽 Emily, 汉娜 Hannah, 西尔维亚 Sylvia, 安吉拉 Angela,
芭芭拉 Barbara, 黛安娜 Diana, 多萝西 Dorothy, 伊莎贝尔 Isabel, 玛格丽特 Margaret, 凯瑟琳 Catherine, 诺拉 Nora, 吉尔 Jill,
春花 Chunhua, 秀英 Xiuying, 桂芳 Guifang, 兰兰 Lanlan, 悦悦 Yueyue, 青青 Qingqing, 晓燕 Xiaoyan, 淑芬 Shufen, 雪儿 Xueer,
小红 Xiaohong, 丽华 Lihua, 文静 Wenjing, 梦琪 Mengqi, 佳怡 Jiayi, 欣然 Xinran, 王芳 Wang Fang, 周静 Zhou Jing, 孙莹 Sun Ying"""
MEN = """鲍勃 Bob, 查理 Charlie, 丹尼尔 Daniel, 埃里克 Eric, 弗兰克 Frank, 乔治 George, 亨利 Henry, 伊万 Ivan, 詹姆斯 James,
凯文 Kevin, 路易斯 Louis, 奥斯卡 Oscar, 罗杰 Roger, 史蒂夫 Steve, 维克多 Victor, 威廉 William, 沃尔特 Walter, 菲利克斯 Felix,
约翰 John, 迈克尔 Michael, 杰瑞 Jerry, 安迪 Andy, 托尼 Tony, 本杰明 Benjamin, 亚历克斯 Alex, 瑞恩 Ryan, 托马斯 Thomas,
理查德 Richard, 罗伯特 Robert, 爱德华 Edward, 阿尔伯特 Albert, 布莱恩 Brian, 克里斯 Chris, 贾斯汀 Justin, 帕特里克 Patrick,
铁柱 Tiezhu, 国强 Guoqiang, 海波 Haibo, 永军 Yongjun, 伟明 Weiming, 冬冬 Dongdong, 大壮 Dazhuang, 小虎 Xiaohu, 老陈 Laochen,
子轩 Zixuan, 浩宇 Haoyu, 天佑 Tianyou, 俊杰 Junjie, 金龙 Jinlong, 建平 Jianping, 张三 Zhang San, 李雷 Li Lei, 郭亮 Guo Liang"""

CHARACTERS = (
    "爱丽丝贝蒂卡罗尔格蕾海伦劳拉莫莉奥加宝鲁比莎娜温佐伊克菲迪埃琳达南希艾米汉西维亚安吉芭黛多萝玛特凯瑟诺鲍勃查理丹尼弗兰"
    "乔治亨利万詹姆斯文路易杰史夫威廉沃约翰迈瑞托本明历恩马德华布莱贾汀帕雷蒙森宾塞洛谢苔琼朗科巴泰普戈"
    "春花秀英桂芳悦青晓燕淑芬雪儿小红静梦琪佳怡欣然铁柱国强波永军伟冬大壮虎老陈阿贵香子轩浩宇天佑俊金龙建平"
    "玉珍保卢伯梅妮珊薇苏婷里彼得果当霞超可娅涛鹏丁福索美露麦山娟刚卫志汤"
    "王刘张李韩周吴孙黄徐郭何高宋唐赵杨林胡朱许曹彭蔡江孔田叶余三石方白云雨月星光亮勇敏洁欢翔玲宁倩帆莹洋晨"
)
ONSETS = (
    *("bcdfghjklmnprstvwz" * 3),
    "br",
    "ch",
    "cl",
    "dr",
    "fr",
    "gr",
    "pr",
    "q",
    "qu",
    "sh",
    "st",
    "th",
    "tr",
    "zh",
)
ONSETS += ("x", "x", "y", "y")
VOWELS = (*("aeiou" * 5), "ai", "ao", "ea", "ee", "ei", "ia", "iao", "ie", "io", "ou", "ua", "ue", "ui", "y")
CODAS = (*("nrlsm" * 2), "b", "c", "ck", "d", "k", "nd", "ng", "nk", "rd", "rt", "t", "th", "x")
_LENGTHS = {"zh": {2: 4, 3: 4, 4: 2}, "en": {1: 1, 2: 4, 3: 3}}
_TWO, _ONE = 1, 9  # weights of an English name of two words of a syllable each, and of one word
_OPEN, _SHUT = 2, 1  # weights of a syllable that ends in its vowel, and of one that ends in a consonant
_BARE, _BEGUN = 1, 4  # weights of a name that begins with a vowel, and of one that begins with a consonant


def real_strangers(world: World) -> list[Entity]:
    """Unknown people with real names, kept for measuring."""
    known = {name for person in world.of_kind("person") for name in (person.zh, person.en)}
    people = [(gender, *pair) for gender, table in (("f", WOMEN), ("m", MEN)) for pair in pairs(table)]
    found = [Entity(f"stranger_{en.lower()}", "person", zh, en, measure="位", gender=g) for g, zh, en in people]
    return list(world.unknown) + [person for person in found if not {person.zh, person.en} & known]


def made_name(draw: Draw, world: World, lang: str) -> str:
    """A stranger's name, which is nobody's; the bits that it costs are exact."""
    taken = _taken(world.size, world.seed, lang)
    before = draw.bits
    while (name := (_chinese if lang == "zh" else _english)(draw)) in taken:
        pass
    draw.bits = before - math.log2(chance(name, lang) / (1 - sum(taken.values())))
    return name


@lru_cache(maxsize=8)
def _taken(size: Size, seed: int, lang: str) -> dict[str, float]:
    """Names that nobody may get by chance, and how often they would come."""
    world = World.build(size, seed)  # size and seed are all that a world is
    names = {thing.name(lang) for thing in [*world.entities.values(), *real_strangers(world)]}
    return {name: found for name in names if (found := chance(name, lang))}


def _chinese(draw: Draw) -> str:
    length = draw.choose(list(_LENGTHS["zh"]), list(_LENGTHS["zh"].values()))
    return "".join(draw.choose(CHARACTERS) for _ in range(length))


def _english(draw: Draw) -> str:
    if draw.choose((True, False), (_TWO, _ONE)):
        return f"{_word(draw, 1, False)} {_word(draw, 1, False)}"
    length = draw.choose(list(_LENGTHS["en"]), list(_LENGTHS["en"].values()))
    return _word(draw, length, length == 1)  # nobody is called A


def _word(draw: Draw, length: int, shut: bool) -> str:
    name = ""
    for _ in range(length):
        if name or draw.choose((True, False), (_BEGUN, _BARE)):
            name += draw.choose(ONSETS)
        name += draw.choose(VOWELS)
        if shut or draw.choose((True, False), (_SHUT, _OPEN)):
            name += draw.choose(CODAS)
    return name.capitalize()


def chance(name: str, lang: str) -> float:
    """How often a name comes, over all the ways to put it together."""
    lengths = _LENGTHS[lang]
    total = sum(lengths.values())
    if lang == "zh":
        spelled = lengths.get(len(name), 0) * all(character in CHARACTERS for character in name)
        return spelled / total / len(CHARACTERS) ** len(name)
    share = (_TWO if " " in name else _ONE) / (_TWO + _ONE)
    if " " in name:
        return share * math.prod(_spelled(word.lower(), 1, False, True) for word in name.split(" "))
    return share * sum(weight / total * _spelled(name.lower(), n, n == 1, True) for n, weight in lengths.items())


def _spelled(rest: str, count: int, shut: bool, first: bool) -> float:
    """How often `count` syllables spell `rest`."""
    if not count:
        return float(not rest)
    table = _syllables(shut, first)
    ways = ((table.get(rest[:end], 0.0), rest[end:]) for end in range(1, len(rest) + 1))
    return sum(p * _spelled(left, count - 1, shut, False) for p, left in ways if p)


@cache
def _syllables(shut: bool, first: bool) -> dict[str, float]:
    """Syllable -> how often it comes at this place."""
    found: dict[str, float] = defaultdict(float)
    bare = _BARE / (_BARE + _BEGUN) if first else 0.0
    open = 0.0 if shut else _OPEN / (_OPEN + _SHUT)
    onsets = [("", bare)] + [(onset, (1 - bare) / len(ONSETS)) for onset in ONSETS]
    codas = [("", open)] + [(coda, (1 - open) / len(CODAS)) for coda in CODAS]
    for (onset, p), vowel, (coda, q) in product(onsets, VOWELS, codas):
        found[onset + vowel + coda] += p * q / len(VOWELS)
    return dict(found)
