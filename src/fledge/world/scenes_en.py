"""The English of stories, letters, talks, lists and puzzles: forms by name, and the word lists they share (`[@go]`).

A `_` stands for a space at the end of a form.
"""

WORDS = """
day Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday
part morning|afternoon|evening
sky sunny|rainy|windy|cloudy|foggy|calm|dry|wet
adj nice|fine|lovely|great|quiet|good|pretty|charming|special|wonderful
season spring|summer|autumn|winter
go went*3|walked*2|rode*2|drove|ran
spot by the river|at the market|in the park|on the road|at school|at the station|by the lake|in a shop|on the bridge|at noon
saw saw*2|visited|found
did sang|read|slept|danced|ran|swam|drew|ate|rested|wrote
mood happy|tired|hungry|cold|sleepy|thirsty|sad|busy|bored|calm
hello Hello|Hi|Good morning|Good evening
thanks Thank you!|Thanks!|I see.|Good to know.
"""

SCENES = """
open
4 On [@day] [@part], {s} [@go] to {p}.
2 One [@sky] [day*3|morning*2|evening], {s} [@go] to {p}.
1 Last [week*3|month*2|@season], {s} [@go] from {h} to {p}.

shop
3 {She} had {w} coins, bought {thing} for {cost} and had {left} left.
2 {She} bought {thing} for {cost} coins. {She} gave {w} and got {left} back.

give
1 {She} met {t} [@spot] and gave {him} {thing}.

get
1 {She} met {t} [@spot] and got {thing} from {him}.

owner
1 Now {owner} had the {gift}.

look
3 {She} [@saw] the {sight} and [@did].
1 The {sight} was [@adj].

pet
1 {Her} {pet} [ran|slept|ate|rested|swam|sang].

mood
1 {She} was [@mood] and [@did].

home
3 [In the evening|At night|Later|Then|At last] {she} went home to {h}.
1 {She} came back to {h} [late|early|at night].

letter
3 [How are you?|I hope you are well.|I miss you.|I am happy.] I am in {p} [now|today|this week|again], and it is [@sky].
2 I am writing from {p}.

visit
1 [Yesterday|This morning|Last night|On Sunday|On Monday|At noon] I [@saw] the {sight} and [@did].

meal
1 I [bought|ate|saw] {food} [@spot].

return
1 I will come home [on Monday|on Friday|soon|tomorrow|next week|in spring|tonight|in a month].

way
3 From {a}, you_
1 Start in {a},_

step
3 go {d} to {p}
1 walk {d} to {p}

riddle
3 Riddle:_
1 Can you guess?_

answer
3 What am I? {one}.
1 Who am I? {one}.

list
3 Price list:_
2 Prices at the market:_
1 Prices today:_

total
3 Together {c} coins.
1 Both cost {c} coins.

plus
4 {a} + {b} = {c}.
2 {a} plus {b} is {c}.

minus
4 {c} - {a} = {b}.
2 {c} minus {a} is {b}.

gets
3 {s} has {a} {things} and gets {b} more. Now {she} has {c}.
1 {s} buys {a} {things} and then {b} more. That makes {c}.

eats
3 {s} has {c} {things} and eats {a}. Now {she} has {b}.
1 {s} has {c} {things} and gives away {a}. {She} keeps {b}.

odd
3 Odd one out: {list}. Answer: {odd}.
2 Which one does not fit: {list}? It is {odd}.

count
3 Count: {list}. That is {n}.
2 How many words: {list}? There are {n}.

hello
1 [@hello], {t}!

back
1 [@hello], {s}!

end
1 [@thanks]

weather
3 {day}, {p}: [@sky], {n} degrees.
2 Weather in {p} on {day}: [@sky], {n} degrees.
1 It is [@sky] in {p} on {day}, {n} degrees.

game
3 Cards: {s} {a}, {t} {b}._
2 {s} draws {a} and {t} draws {b}._

won
2 The {high} wins.
1 {high} is higher.

tie
2 Nobody wins.
1 It is a tie.
"""
