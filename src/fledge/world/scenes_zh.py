"""The Chinese of stories, letters, talks, lists and puzzles; the same names as in `scenes_en`."""

WORDS = """
day 一|二|三|四|五|六|日
part 早上|下午|晚上
sky 晴朗|下雨|刮风|寒冷|温暖|多云|下雪|大雾|炎热|干燥
air 晴朗|凉爽|很冷|温暖|潮湿|干燥|很热|很好
wet 晴|雨|阴|多云|有风|有雾|干燥|潮湿
go 去*3|走路去*2|骑车去*2|开车去|跑步去|赶去
spot 河边|市场|公园|路上|学校旁边|车站|湖边|商店|长椅上|桥上
saw 看*2|参观|欣赏|画
after 拍了照片|休息了一会儿|坐了一会儿|待了一小时|唱了歌|告诉了朋友|吃了蛋糕|很惊奇
mood 高兴|累|饿|冷|困|渴|难过|忙|幸运|无聊|平静|得意
then 唱歌|散步|喝茶|看书|找朋友|跳舞|睡觉|跑步|游泳|写信|钓鱼|喝汤
hello 你好|嗨|早上好|晚上好|下午好
thanks 谢谢你！|谢谢！|我明白了。|原来是这样。|真好。|太好了。
bye 再见！|拜拜！|回头见！|明天见！
fine 很好|不错|很开心|还可以|有点累
"""

SCENES = """
open
4 星期[@day][@part]，{s}[@go]了{p}。
2 一个[@sky]的[早上*3|下午*2|晚上]，{s}[@go]了{p}。
1 [上个星期*3|上个月*2|去年]，{s}从{h}[@go]了{p}。

shop
3 {she}有{w}枚金币，花{cost}枚买了{thing}，还剩{left}枚。
2 {she}买了{thing}，要{cost}枚金币。{she}给了{w}枚，找回{left}枚。
1 {she}想要{thing}，就从{w}枚金币里拿出{cost}枚。现在{she}有{left}枚金币。

meet
3 {she}在[@spot]遇见了{t}。
2 {t}[也在那里*3|正在那里等着*2|正好路过]。

gift
3 {giver}送给{taker}{thing}。现在{gift}是{taker}的了。
2 {giver}把{thing}送给了{taker}。
2 {giver}给了{taker}{thing}，{taker}[收下了|很喜欢|接过了]{gift}。

look
3 {she}[@saw]了{sight}，[@after]。
1 {sight}[很大|很美|很旧|很安静|人很多|关门了|很亮|真不错]。

pet
1 {her}{pet}[也来了|跑在前面|很累|很饿|睡着了|很高兴|吃得很饱|叫了一声]。

mood
1 {she}很[@mood]，就去[@then]。

home
3 [傍晚|夜里|后来|然后|最后|在那之后]{she}回到了{h}的家。
1 {she}[很晚|第二天|半夜|天黑]才回到{h}。

letter
3 [你好吗？|祝你一切都好。|我很想你。|我很开心。]我[现在|今天|这个星期|又]在{p}，天气[@air]。
2 我在{p}给你写信。
1 这封信来自{p}。

visit
1 [昨天|今天早上|昨天晚上|星期日|星期一|中午]我[@saw]了{sight}，[@after]。

meal
1 我在[@spot][买了|吃了|看到了]{food}。

return
1 我[星期一|星期五|很快|明天|下个星期|春天|今晚|下个月]就回家。

way
3 从{a}出发，
1 路线：从{a}开始，

step
3 往{d}走到{p}
1 向{d}去{p}

riddle
3 谜语：
1 猜一猜：

answer
3 我是什么？{one}。
1 我是谁？{one}。

list
3 价格表：
2 市场里的价格：
1 今天的价格：

total
3 {x}和{y}一共是{a} + {b} = {c}枚金币。
2 买{x}和{y}要{a} + {b} = {c}枚金币。

more
3 {x}比{y}贵{d}枚金币。
2 {y}比{x}便宜{d}枚金币。

plus
4 {a} + {b} = {c}
2 {a}加{b}等于{c}。

minus
4 {c} - {a} = {b}
2 {c}减{a}等于{b}。

gets
3 {s}有{a}{m}{things}，又得到{b}{m}，现在有{c}{m}{things}。
1 {s}买了{a}{m}{things}，又买了{b}{m}，一共{c}{m}{things}。

eats
3 {s}有{c}{m}{things}，吃了{a}{m}，现在有{b}{m}{things}。
1 {s}有{c}{m}{things}，送出去{a}{m}，自己留下{b}{m}{things}。

odd
3 找不同：{list}。答案：{odd}。
2 哪一个不是一类：{list}？是{odd}。

count
3 数一数：{list}。一共{n}个。
2 有几个词：{list}？有{n}个。

hello
1 [@hello]，{t}！

back
1 [@hello]，{s}！

how
1 [@hello]，{t}！最近怎么样？

fine
1 我[@fine]，谢谢。

and_you
1 你呢？

end
2 [@thanks]
1 [@thanks][@bye]

weather
3 {day}，{p}：[@wet]，{n}度。
2 {p}{day}的天气：[@wet]，{n}度。
1 {day}{p}[@wet]，气温{n}度。

game
3 比牌：{s}{a}，{t}{b}。
2 {s}抽到{a}，{t}抽到{b}。

won
2 {winner}赢了。
1 赢家是{winner}。

tie
2 没有人赢。
1 打平了。
"""
