"""People who do not exist. Whoever is asked about them should say so; anything else is a hallucination, and counted.

Nothing can be known of them, but their names can be read: who speaks of a stranger has to copy a name never seen before. So there are
thousands of names: real ones are cut in two, and every beginning goes with every other end (Mol|ly and I|van make Molvan and Ily). These
stand in texts and conversations. The real names themselves are kept for measuring, and stand in nothing that a model learns from.
"""

from __future__ import annotations

from functools import lru_cache

from fledge.world.checks import names_in
from fledge.world.facts import Entity, Size, World
from fledge.world.lexicon import pairs

WOMEN = """爱丽|丝 Al|ice, 贝|蒂 Bet|ty, 卡罗|尔 Car|ol, 格蕾|丝 Gra|ce, 海|伦 He|len, 劳|拉 Lau|ra, 莫|莉 Mol|ly, 奥尔|加 Ol|ga, 宝|拉 Pau|la,
鲁|比 Ru|by, 莎|莉 Sal|ly, 蒂|娜 Ti|na, 温|蒂 Wen|dy, 佐|伊 Zo|e, 克拉|拉 Cla|ra, 贝|拉 Bel|la, 菲奥|娜 Fio|na, 伊迪|丝 Edi|th, 丽|莎 Li|sa,
莎|拉 Sa|rah, 凯|蒂 Ka|tie, 埃|莉 El|lie, 琳|达 Lin|da, 南|希 Nan|cy, 艾米|丽 Emi|ly, 汉|娜 Han|nah, 西尔|维亚 Syl|via, 安吉|拉 Ange|la,
芭芭|拉 Bar|bara, 黛|安娜 Di|ana, 多|萝西 Do|rothy, 伊莎|贝尔 Isa|bel, 玛格|丽特 Mar|garet, 凯瑟|琳 Cathe|rine, 诺|拉 No|ra, 吉|尔 Ji|ll,
弗洛|拉 Flo|ra, 琼|安 Jo|anne, 谢丽|尔 Che|ryl, 苔|丝 Te|ss"""
MEN = """鲍|勃 Bo|b, 查|理 Char|lie, 丹尼|尔 Da|niel, 埃里|克 E|ric, 弗兰|克 Fran|k, 乔|治 Geor|ge, 亨|利 Hen|ry, 伊|万 I|van, 詹姆|斯 Ja|mes,
凯|文 Ke|vin, 路易|斯 Lou|is, 奥斯|卡 Os|car, 罗|杰 Ro|ger, 史蒂|夫 Ste|ve, 维克|多 Vic|tor, 威|廉 Wil|liam, 沃尔|特 Wal|ter, 菲利|克斯 Fe|lix,
约|翰 Joh|n, 迈克|尔 Mi|chael, 杰|瑞 Jer|ry, 安|迪 An|dy, 托|尼 To|ny, 本|杰明 Ben|jamin, 亚历|克斯 Ale|x, 瑞|恩 Ry|an, 托马|斯 Tho|mas,
理查|德 Ri|chard, 罗伯|特 Rob|ert, 爱德|华 Ed|ward, 阿尔|伯特 Alb|ert, 布莱|恩 Bri|an, 克里|斯 Chri|s, 贾|斯汀 Jus|tin, 帕特|里克 Pat|rick,
雷|蒙德 Ray|mond, 西奥|多 Theo|dore, 文森|特 Vin|cent, 加布|里尔 Ga|briel, 奥利|弗 Oli|ver, 洛|根 Lo|gan, 塞|缪尔 Sam|uel"""
GIVEN = """春|花 Chun|hua, 秀|英 Xiu|ying, 桂|芳 Gui|fang, 兰|兰 Lan|lan, 悦|悦 Yue|yue, 青|青 Qing|qing, 晓|燕 Xiao|yan, 淑|芬 Shu|fen,
雪|儿 Xue|er, 小|红 Xiao|hong, 丽|华 Li|hua, 文|静 Wen|jing, 梦|琪 Meng|qi, 佳|怡 Jia|yi, 欣|然 Xin|ran, 铁|柱 Tie|zhu, 国|强 Guo|qiang,
海|波 Hai|bo, 永|军 Yong|jun, 伟|明 Wei|ming, 冬|冬 Dong|dong, 大|壮 Da|zhuang, 小|虎 Xiao|hu, 老|陈 Lao|chen, 阿|贵 A|gui, 阿|香 A|xiang,
子|轩 Zi|xuan, 浩|宇 Hao|yu, 天|佑 Tian|you, 俊|杰 Jun|jie, 金|龙 Jin|long, 建|平 Jian|ping"""
FULL = """王|芳 Wang| Fang, 刘|洋 Liu| Yang,
张|三 Zhang| San, 李|雷 Li| Lei, 韩|梅梅 Han| Meimei, 陈|晨 Chen| Chen, 周|静 Zhou| Jing, 吴|敏 Wu| Min, 孙|莹 Sun| Ying, 黄|勇 Huang| Yong,
徐|洁 Xu| Jie, 郭|亮 Guo| Liang, 何|欢 He| Huan, 高|翔 Gao| Xiang, 宋|玲 Song| Ling, 唐|宁 Tang| Ning, 赵|倩 Zhao| Qian, 杨|帆 Yang| Fan"""

WORDS = "Alter Boss Dice Die Dill Dose Dove Eve Gator Hell Hens Ice Ill In Jerk Lie Live Lose Loss Love Marx Miss Nob Nose Rice Sage Save Tiger Toe"
"""Made names that would be words."""


def real_strangers(world: World) -> list[Entity]:
    """Unknown people with real names, kept for measuring."""
    known = {name for person in world.of_kind("person") for name in (person.zh, person.en)}
    tables = (("f", WOMEN), ("m", MEN), ("f", GIVEN), ("m", FULL))
    people = [(gender, *pair) for gender, table in tables for pair in pairs(table.replace("|", ""))]
    found = [Entity(f"stranger_{en.lower()}", "person", zh, en, measure="位", gender=g) for g, zh, en in people]
    return list(world.unknown) + [person for person in found if not {person.zh, person.en} & known]


def made_names(world: World, lang: str) -> list[str]:
    """The names of strangers in texts and conversations."""
    return _made_names(world.size, world.seed, lang)


@lru_cache(maxsize=8)
def _made_names(size: Size, seed: int, lang: str) -> list[str]:
    world = World.build(size, seed)  # size and seed are all that a world is
    at = 0 if lang == "zh" else 1
    real = tuple(person.name(lang) for person in real_strangers(world))
    taken = {*WORDS.split(), *(thing.name(lang) for thing in world.entities.values())}
    found: dict[str, None] = {}
    for table in (f"{WOMEN}, {MEN}", GIVEN, FULL):
        halves = [pair[at].split("|") for pair in pairs(table)]
        begins, ends = (list(dict.fromkeys(half)) for half in zip(*halves))
        found |= dict.fromkeys(begin + end for begin in begins for end in ends)
    return [name for name in found if name not in taken and not names_in(name, real)]  # 艾米丽 would hold 艾米
