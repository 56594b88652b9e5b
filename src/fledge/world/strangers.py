"""People who do not exist. Whoever is asked about them should say so; anything else is a hallucination, and counted.

A stranger's name in conversations is put together at random, of Chinese characters or of English syllables, and hardly ever comes
twice: so whoever is not known must be recognised, and no list of strangers can be remembered. Real names are kept for measuring,
and stand in nothing that a model learns from.
"""

from __future__ import annotations

from functools import lru_cache

from fledge.world.checks import names_in
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
    *("bcdfghjklmnprstvwz" * 3), "br", "ch", "cl", "dr", "fr", "gr", "pr", "q", "qu", "sh", "st", "th", "tr",
    "x", "x", "y", "y", "zh",
)  # fmt: skip
VOWELS = (*("aeiou" * 5), "ai", "ao", "ea", "ee", "ei", "ia", "iao", "ie", "io", "ou", "ua", "ue", "ui", "y")
CODAS = (*("nrlsm" * 2), "b", "c", "ck", "d", "k", "nd", "ng", "nk", "rd", "rt", "t", "th", "x")
_LENGTHS = {"zh": {2: 4, 3: 4, 4: 2}, "en": {1: 1, 2: 4, 3: 3}}


def real_strangers(world: World) -> list[Entity]:
    """Unknown people with real names, kept for measuring."""
    known = {name for person in world.of_kind("person") for name in (person.zh, person.en)}
    people = [(gender, *pair) for gender, table in (("f", WOMEN), ("m", MEN)) for pair in pairs(table)]
    found = [Entity(f"stranger_{en.lower()}", "person", zh, en, measure="位", gender=g) for g, zh, en in people]
    return list(world.unknown) + [person for person in found if not {person.zh, person.en} & known]


def made_name(draw: Draw, world: World, lang: str) -> str:
    """A stranger's name that is nobody's and holds nobody's."""
    taken = _taken(world.size, world.seed, lang)
    while names_in(name := (_chinese if lang == "zh" else _english)(draw), taken):
        pass
    return name


@lru_cache(maxsize=8)
def _taken(size: Size, seed: int, lang: str) -> tuple[str, ...]:
    """Names that nobody may get by chance."""
    world = World.build(size, seed)  # size and seed are all that a world is
    return tuple(thing.name(lang) for thing in [*world.entities.values(), *real_strangers(world)])


def _chinese(draw: Draw) -> str:
    return "".join(draw.choose(CHARACTERS) for _ in range(_length(draw, "zh")))


def _english(draw: Draw) -> str:
    if draw.below(10) == 0:
        return f"{_word(draw, 1, False)} {_word(draw, 1, False)}"
    length = _length(draw, "en")
    return _word(draw, length, length == 1)  # nobody is called A


def _length(draw: Draw, lang: str) -> int:
    return draw.choose(list(_LENGTHS[lang]), list(_LENGTHS[lang].values()))


def _word(draw: Draw, num_syllables: int, shut: bool) -> str:
    """`shut`: every syllable ends in a consonant; otherwise one in three."""
    name = ""
    for _ in range(num_syllables):
        if name or draw.below(5):
            name += draw.choose(ONSETS)
        name += draw.choose(VOWELS)
        if shut or draw.below(3) == 0:
            name += draw.choose(CODAS)
    return name.capitalize()
