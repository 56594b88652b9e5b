"""The Chinese of stories, letters, talks, lists and puzzles; the same names as in `scenes_en`."""

WORDS = """
day 一|二|三|四|五|六|日
part 早上|下午|晚上
sky 晴朗|下雨|有风|多云|有雾|很好|很冷|很暖
adj 可爱|安静|特别|漂亮|有趣|很好|不错|出色|有名|很棒
go 去*3|走路去*2|骑车去*2|开车去|跑步去
spot 河边|市场|公园|路上|学校|车站|湖边|商店|桥上|花园
saw 看*2|参观|找到
did 唱歌|看书|睡觉|跳舞|跑步|游泳|画画|吃饭|喝茶|写信
mood 高兴|累|饿|冷|困|渴|难过|忙|无聊
hello 你好|嗨|早上好|晚上好
thanks 谢谢你！|谢谢！|我明白了。|真好。
"""

SCENES = """
open
4 星期[@day][@part]，{s}[@go]了{p}。
2 一个[@sky]的[@part]，{s}[@go]了{p}。
1 [上个星期*3|上个月*2|去年]，{s}从{h}[@go]了{p}。

shop
3 {she}有{w}枚金币，花{cost}枚买了{thing}，还有{left}枚。
2 {she}买了{thing}，要{cost}枚金币。{she}给了{w}枚，找回{left}枚。

give
1 {she}在[@spot]见到{t}，送给{him}{thing}。

get
1 {she}在[@spot]见到{t}，得到{thing}。

owner
1 现在{gift}是{owner}的了。

look
3 {she}[@saw]了{sight}，在那里[@did]。
1 {sight}[很美|很大|很有名|很漂亮|很安静|很不错]。

pet
1 {her}{pet}在[跑步|睡觉|唱歌|吃饭|游泳|跳舞]。

mood
1 {she}很[@mood]，就去[@did]。

home
3 [下午|晚上|后来|然后|最后]{she}回到了{h}的家。
1 {she}[很晚|第二天|晚上]才回到{h}。

letter
3 [你好吗？|祝你一切都好。|我很想你。|我很高兴。]我[现在|今天|这个星期|又]在{p}，这里[@sky]。
2 我在{p}给你写信。

visit
1 [昨天|今天早上|昨天晚上|星期日|星期一|中午]我[@saw]了{sight}，在那里[@did]。

meal
1 我在[@spot][买了|吃了|看到了]{food}。

return
1 我[星期一|星期五|很快|明天|下个星期|春天|今天晚上|下个月]就回家。

way
3 从{a}出发，
1 路线：从{a}开始，

step
3 往{d}走到{p}
1 往{d}去{p}

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
3 一共{c}枚金币。
1 两样要{c}枚金币。

plus
4 {a} + {b} = {c}。
2 {a}加{b}等于{c}。

minus
4 {c} - {a} = {b}。
2 {c}减{a}等于{b}。

gets
3 {s}有{a}{m}{things}，又得到{b}{m}，现在有{c}{m}。
1 {s}买了{a}{m}{things}，又买了{b}{m}，一共{c}{m}。

eats
3 {s}有{c}{m}{things}，吃了{a}{m}，现在有{b}{m}。
1 {s}有{c}{m}{things}，送出{a}{m}，还有{b}{m}。

odd
3 找不同：{list}。答案：{odd}。
2 哪一个不同：{list}？是{odd}。

count
3 数一数：{list}。一共{n}个。
2 有几个词：{list}？有{n}个。

hello
1 [@hello]，{t}！

back
1 [@hello]，{s}！

end
1 [@thanks]

weather
3 {day}，{p}：[@sky]，{n}度。
2 {p}{day}的天气：[@sky]，{n}度。
1 {day}{p}[@sky]，气温{n}度。

game
3 比牌：{s}{a}，{t}{b}。
2 {s}抽到{a}，{t}抽到{b}。

won
2 {high}赢了。
1 {high}更大。

tie
2 没有人赢。
1 一样大。
"""
