"""The words of the world in both languages. Every row is one thing: Chinese, English, and what grammar needs to speak of it.

Nothing here is a fact about a particular world: a seed picks people, places and foods from these tables and decides who lives
where. Only what must be true for the text to read sensibly (a hen has two legs, a tomato may be red) is fixed here.
"""

from __future__ import annotations

WOMEN = """安娜 Anna, 莉莉 Lily, 妮娜 Nina, 米娅 Mia, 艾玛 Emma, 露西 Lucy, 索菲 Sophie, 海蒂 Heidi, 小雨 Xiaoyu, 小梅 Xiaomei,
小兰 Xiaolan, 玉珍 Yuzhen, 美玲 Meiling, 佳佳 Jiajia, 丹丹 Dandan, 可可 Coco, 苏珊 Susan, 玛丽 Mary, 艾达 Ada, 朱莉 Julie,
凯特 Kate, 露娜 Luna, 珍妮 Jenny, 罗莎 Rosa, 薇拉 Vera, 小月 Xiaoyue, 婷婷 Tingting, 爱莎 Elsa"""
MEN = """汤姆 Tom, 杰克 Jack, 里奥 Leo, 大卫 David, 马克 Mark, 彼得 Peter, 保罗 Paul, 麦克 Mike, 亚当 Adam, 卢卡 Luca,
尼克 Nick, 奥托 Otto, 山姆 Sam, 雨果 Hugo, 西蒙 Simon, 罗宾 Robin, 小明 Xiaoming, 小刚 Xiaogang, 大山 Dashan, 阿福 Afu,
志强 Zhiqiang, 建国 Jianguo, 文华 Wenhua, 小龙 Xiaolong, 阿杰 Ajie, 卡尔 Karl, 艾伦 Alan, 马丁 Martin"""
# The large world needs hundreds of people: a family name and a given name.
FAMILY_NAMES = (
    "李 Li, 王 Wang, 张 Zhang, 刘 Liu, 陈 Chen, 杨 Yang, 黄 Huang, 赵 Zhao, 周 Zhou, 吴 Wu, 徐 Xu, 孙 Sun, 朱 Zhu, "
    "马 Ma, 胡 Hu, 郭 Guo, 何 He, 高 Gao, 林 Lin, 罗 Luo, 宋 Song, 唐 Tang"
)
GIVEN_WOMEN = "芳 Fang, 丽 Li, 娟 Juan, 静 Jing, 敏 Min, 燕 Yan, 玲 Ling, 霞 Xia, 红 Hong, 雪 Xue"
GIVEN_MEN = "伟 Wei, 强 Qiang, 军 Jun, 勇 Yong, 杰 Jie, 涛 Tao, 超 Chao, 刚 Gang, 平 Ping, 鹏 Peng"

PLACES = """湖边镇 Lakeside, 松林镇 Pinewood, 石桥镇 Stonebridge, 海港镇 Seaport, 红岩镇 Redrock, 雪岭镇 Snowridge,
玫瑰谷 Rosedale, 老磨坊 Oldmill, 金沙湾 Goldsand, 青山村 Greenhill, 柳溪村 Willowbrook, 阳光城 Suncity, 月亮湾 Moonbay,
竹园村 Bambooton, 星河城 Starford, 枫叶镇 Mapleton"""
# The large world joins a first and a second half.
PLACE_FIRST = "白 White, 蓝 Blue, 铁 Iron, 银 Silver, 狼 Wolf, 鹰 Eagle, 盐 Salt, 风 Wind"
PLACE_SECOND = "桥镇 bridge, 泉村 spring, 堡 castle, 田村 field, 谷镇 dale"

JOBS = """面包师 baker, 医生 doctor, 老师 teacher, 农民 farmer, 水手 sailor, 画家 painter, 歌手 singer, 司机 driver, 厨师 cook,
护士 nurse, 裁缝 tailor, 园丁 gardener, 木匠 carpenter, 作家 writer, 演员 actor, 飞行员 pilot, 科学家 scientist, 工程师 engineer,
记者 reporter, 铁匠 blacksmith"""
COLOURS = """红色 red, 蓝色 blue, 绿色 green, 黄色 yellow, 白色 white, 黑色 black, 紫色 purple, 橙色 orange, 粉色 pink,
棕色 brown, 灰色 grey"""
MONTHS = """一月 January, 二月 February, 三月 March, 四月 April, 五月 May, 六月 June, 七月 July, 八月 August, 九月 September,
十月 October, 十一月 November, 十二月 December"""
SIGHTS = """灯塔 lighthouse, 古桥 old bridge, 钟楼 clock tower, 水车 water wheel, 玫瑰园 rose garden, 夜市 night market,
图书馆 library, 温泉 hot spring, 瀑布 waterfall, 风车 windmill, 果园 orchard, 茶馆 tea house, 博物馆 museum, 喷泉 fountain,
剧院 theatre, 动物园 zoo"""
# "in the X", "X里"
HABITATS = """森林 forest, 院子 yard, 花园 garden, 田野 field, 池塘 pond, 谷仓 barn, 丛林 jungle, 山谷 valley, 雪地 snow,
山洞 cave, 沙漠 desert, 大海 sea, 屋子 house"""
DIETS = """草 grass, 鱼 fish, 骨头 bones, 玉米 corn, 种子 seeds, 树叶 leaves, 虫子 insects, 蜂蜜 honey, 老鼠 mice, 坚果 nuts,
竹子 bamboo, 花蜜 nectar, 面包屑 crumbs, 蛇 snakes, 水草 water plants"""

# Chinese, English, English plural, Chinese measure word, colours it may have
FOODS = """苹果 apple apples 个 red/green
香蕉 banana bananas 根 yellow
梨子 pear pears 个 yellow/green
桃子 peach peaches 个 pink
柠檬 lemon lemons 个 yellow
西瓜 melon melons 个 green
胡萝卜 carrot carrots 根 orange
土豆 potato potatoes 个 brown/yellow
番茄 tomato tomatoes 个 red
洋葱 onion onions 个 purple/white
鸡蛋 egg eggs 个 white/brown
饼干 cookie cookies 块 brown
饺子 dumpling dumplings 个 white
煎饼 pancake pancakes 张 yellow/brown
馅饼 pie pies 块 brown/yellow
蛋糕 cake cakes 块 white/pink
包子 bun buns 个 white
芒果 mango mangoes 个 yellow/orange
李子 plum plums 个 purple/red
樱桃 cherry cherries 颗 red
南瓜 pumpkin pumpkins 个 orange
蘑菇 mushroom mushrooms 个 white/brown
核桃 walnut walnuts 颗 brown
黄瓜 cucumber cucumbers 根 green
草莓 strawberry strawberries 颗 red/pink
椰子 coconut coconuts 个 brown/white
月饼 mooncake mooncakes 块 yellow/brown
辣椒 pepper peppers 根 red/green
白菜 cabbage cabbages 棵 green/white
橄榄 olive olives 颗 green/black
葡萄 grape grapes 颗 purple/green
木瓜 papaya papayas 个 orange"""

# Chinese, English, English plural, measure word, home, food, legs, colours, whether people keep it as a pet
ANIMALS = """猫 cat cats 只 house fish 4 white/black/orange pet
狗 dog dogs 只 yard bones 4 brown/black/yellow pet
兔子 rabbit rabbits 只 field grass 4 white/grey pet
鸭子 duck ducks 只 pond water_plants 2 yellow/white pet
鹦鹉 parrot parrots 只 jungle seeds 2 green/red/blue pet
乌龟 turtle turtles 只 pond water_plants 4 green/brown pet
松鼠 squirrel squirrels 只 forest nuts 4 grey/brown pet
仓鼠 hamster hamsters 只 house seeds 4 yellow/white pet
刺猬 hedgehog hedgehogs 只 forest insects 4 brown/grey pet
蜘蛛 spider spiders 只 cave insects 8 black/brown pet
马 horse horses 匹 field grass 4 brown/black/white -
奶牛 cow cows 头 barn grass 4 black/white/brown -
绵羊 sheep sheep 只 valley grass 4 white/black -
母鸡 hen hens 只 barn corn 2 brown/yellow/white -
青蛙 frog frogs 只 pond insects 4 green/brown -
熊 bear bears 头 forest honey 4 brown/black -
狐狸 fox foxes 只 forest mice 4 orange/red/white -
大象 elephant elephants 头 jungle leaves 4 grey -
熊猫 panda pandas 只 valley bamboo 4 white/brown -
企鹅 penguin penguins 只 snow fish 2 black/grey -
老鹰 eagle eagles 只 valley snakes 2 brown/black -
蚂蚁 ant ants 只 garden crumbs 6 black/red -
蜜蜂 bee bees 只 garden nectar 6 yellow/orange -
骆驼 camel camels 头 desert leaves 4 yellow/brown -
螃蟹 crab crabs 只 sea fish 8 red/blue -"""

DAYS = (
    ("星期一", "Monday"), ("星期二", "Tuesday"), ("星期三", "Wednesday"), ("星期四", "Thursday"), ("星期五", "Friday"),
    ("星期六", "Saturday"), ("星期日", "Sunday"),
)  # fmt: skip
DIRECTIONS = {"north": ("北", "north"), "east": ("东", "east"), "south": ("南", "south"), "west": ("西", "west")}


def pairs(table: str) -> list[tuple[str, str]]:
    """(Chinese, English) of every comma-separated entry; the English part may hold spaces."""
    rows = (entry.split(None, 1) for entry in table.replace("\n", " ").split(","))
    return [(zh, en.strip()) for zh, en in rows]


def rows(table: str) -> list[list[str]]:
    """The fields of every line."""
    return [line.split() for line in table.splitlines()]
