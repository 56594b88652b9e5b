"""How Chinese tells and asks every relation. The letters and slots are those of `forms_en`; {m} is the subject's measure word."""

ZH = """
home
v 5 住在{o}
v 4 在{o}有一座[@adj]的房子
v 1 来自{o}
n 3 {poss}家在{o}
n 1 {poss}房子在{o}
q 4 {s}住在哪里？
q 2 {poss}家在哪里？
q 1 {s}住在什么地方？

job
v 4 是一名{o}
v 2 是个{o}
v 4 是一名[@adj]的{o}
n 3 {poss}工作是{o}
n 2 {poss}职业是{o}
q 4 {poss}工作是什么？
q 3 {s}做什么工作？
q 1 {poss}职业是什么？

food
v 4 最喜欢吃{o}
v 3 [很*3|特别*2|非常]爱吃{o}
v 3 [每天|常常|总是|中午|晚上|星期日|早上|下午]吃{o}
n 4 {s}最喜欢的食物是{o}
q 4 {s}最喜欢的食物是什么？
q 2 {s}最喜欢吃什么？
q 1 {s}最爱吃哪种食物？

colour
v 3 最喜欢{o}
v 2 常穿{o}的衣服
v 4 喜欢{o}的[花|帽子|鞋|外套|车|门|杯子|包|船|风筝]
n 4 {s}最喜欢的颜色是{o}
q 4 {s}最喜欢的颜色是什么？
q 2 {s}最喜欢什么颜色？
q 1 {s}最爱哪种颜色？

pet
v 3 有一只{o}
v 3 养了一只{o}
v 2 家里有一只{o}
v 4 有一只[@adj]的{o}
n 3 {poss}宠物是一只{o}
q 4 {poss}宠物是什么？
q 2 {s}养了什么宠物？
q 1 {s}养的是什么动物？

month
v 4 出生在{o}
v 3 出生在{o}[@sky]的一天
v 2 在{o}过生日
n 3 {poss}生日在{o}
n 1 {poss}出生月份是{o}
q 4 {poss}生日在几月？
q 2 {s}出生在几月？
q 1 {s}在哪个月过生日？

spouse
v 4 和{o}结了婚
v 2 和{o}是夫妻
n 4 {poss}{kin}是{o}
n 1 {poss}{kin}叫{o}
q 4 {poss}{kin}是谁？
q 2 {s}和谁结了婚？
q 1 {poss}{kin}叫什么名字？

father
v 3 是{o}的{child}
n 4 {poss}爸爸是{o}
n 1 {poss}爸爸叫{o}
q 4 {poss}爸爸是谁？
q 1 {poss}爸爸叫什么名字？

mother
v 3 是{o}的{child}
n 4 {poss}妈妈是{o}
n 1 {poss}妈妈叫{o}
q 4 {poss}妈妈是谁？
q 1 {poss}妈妈叫什么名字？

older
v 3 有一个叫{o}的{kin}
n 4 {poss}{kin}是{o}
n 1 {poss}{kin}叫{o}
q 4 {poss}{kin}是谁？
q 1 {poss}{kin}叫什么名字？

younger
v 3 有一个叫{o}的{kin}
n 4 {poss}{kin}是{o}
n 1 {poss}{kin}叫{o}
q 4 {poss}{kin}是谁？
q 1 {poss}{kin}叫什么名字？

sight
v 4 以{o}闻名
v 5 有一处[@adj]的{o}
n 2 很多人来{s}看{o}
n 2 {poss}{o}很[有名|漂亮|可爱|安静|特别|有趣]
q 4 {s}以什么闻名？
q 2 {s}有什么好看的地方？
q 1 人们去{s}看什么？

@direction
v 2 @边是{o}
n 4 {poss}@边是{o}
n 3 从{s}往@走就到{o}
n 2 {poss}@面是{o}
q 4 {poss}@边是哪里？
q 2 {poss}@面是什么地方？
q 1 从{s}往@走会到哪里？

price
v 5 每{m}卖{o}枚金币
v 1 每{m}要{o}枚金币
n 3 {poss}价格是{o}枚金币
N 2 买一{m}{s}[要*3|得]花{o}枚金币
q 4 一{m}{s}多少钱？
q 2 {poss}价格是多少？
q 1 买一{m}{s}要花多少金币？

looks
v 3 是{o}的
v 2 [常常|大多|通常|都]是{o}的
v 1 看起来是{o}的
n 2 {poss}颜色是{o}
q 4 {s}是什么颜色的？
q 1 {poss}颜色是什么？

shop
v 4 在{o}有卖
v 1 在{o}能买到
n 2 在{o}能买到{s}
N 2 人们去{o}买{s}
q 4 在哪里能买到{s}？
q 2 {s}在哪里有卖？
q 1 哪个地方卖{s}？

habitat
v 5 住在{o}里
v 1 生活在{o}里
n 2 {poss}家在{o}里
N 2 在{o}里能看到{s}
q 4 {s}住在哪里？
q 2 在哪里能看到{s}？
q 1 {poss}家在什么地方？

diet
v 4 吃{o}
v 3 [常常|大多|总是|每天]吃{o}
v 2 爱吃{o}
n 1 {poss}食物是{o}
q 4 {s}吃什么？
q 2 {s}爱吃什么？
q 1 {poss}食物是什么？

legs
v 5 有{o}条腿
v 2 用{o}条腿走路
q 4 {s}有几条腿？
q 1 {s}有多少条腿？

coat
v 3 是{o}的
v 2 [常常|大多|通常|都]是{o}的
v 1 看起来是{o}的
n 2 {poss}颜色是{o}
q 4 {s}是什么颜色的？
q 1 {poss}颜色是什么？
"""
