"""People who do not exist. Whoever is asked about them should say so; anything else is a hallucination, and counted.

The names stand in no fact and no text. One in four is kept for measuring: a model must recognise an unknown name, not remember it.
"""

from __future__ import annotations

from fledge.world.draw import Draw
from fledge.world.facts import Entity, World
from fledge.world.lexicon import pairs

WOMEN = """爱丽丝 Alice, 贝蒂 Betty, 卡罗尔 Carol, 格蕾丝 Grace, 海伦 Helen, 劳拉 Laura, 莫莉 Molly, 奥尔加 Olga, 宝拉 Paula,
鲁比 Ruby, 莎莉 Sally, 蒂娜 Tina, 温蒂 Wendy, 佐伊 Zoe, 克拉拉 Clara, 贝拉 Bella, 菲奥娜 Fiona, 伊迪丝 Edith, 春花 Chunhua,
秀英 Xiuying, 桂芳 Guifang, 兰兰 Lanlan, 悦悦 Yueyue, 青青 Qingqing, 晓燕 Xiaoyan, 淑芬 Shufen, 雪儿 Xueer, 阿香 Axiang"""
MEN = """鲍勃 Bob, 查理 Charlie, 丹尼尔 Daniel, 埃里克 Eric, 弗兰克 Frank, 乔治 George, 亨利 Henry, 伊万 Ivan, 詹姆斯 James,
凯文 Kevin, 路易斯 Louis, 奥斯卡 Oscar, 罗杰 Roger, 史蒂夫 Steve, 维克多 Victor, 威廉 William, 沃尔特 Walter, 菲利克斯 Felix,
小虎 Xiaohu, 大壮 Dazhuang, 铁柱 Tiezhu, 国强 Guoqiang, 海波 Haibo, 永军 Yongjun, 伟明 Weiming, 冬冬 Dongdong,
阿贵 Agui,
老陈 Laochen"""


def strangers(world: World, *, held_out: bool) -> list[Entity]:
    """Unknown people: those that conversations ask about, or (`held_out`) those kept for measuring."""
    taken = {name for thing in world.entities.values() for name in (thing.zh, thing.en)}
    found = list(world.unknown) + [
        Entity(f"stranger_{en.lower()}", "person", zh, en, measure="位", gender=gender)
        for gender, table in (("f", WOMEN), ("m", MEN))
        for zh, en in pairs(table)
        if zh not in taken and en not in taken
    ]
    mixed = Draw("strangers", world.size, world.seed).shuffle(found)
    cut = len(mixed) // 4
    return mixed[:cut] if held_out else mixed[cut:]
