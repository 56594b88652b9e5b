"""The English of stories, letters, talks, lists and puzzles: forms by name, and the word lists that they share (`[@go]`). A `_` is a space at a form's end."""

WORDS = """
day Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday
part morning|afternoon|evening
sky sunny|rainy|windy|cold|warm|cloudy|snowy|foggy|hot|dry
air sunny|rainy|windy|cloudy|foggy|dry|wet|calm
season spring|summer|autumn|winter
go went*3|walked*2|rode*2|drove|ran|hurried
spot by the river|at the market|in the park|on the road|near the school|at the station|by the lake|in a shop|on a bench|at noon
saw saw*2|visited|looked at|found
after took a picture|took a rest|sat down|stayed an hour|sang a song|told a friend|ate a cake|was amazed
mood happy|tired|hungry|cold|sleepy|thirsty|sad|busy|lucky|bored|calm|proud
then sang|sat down|drank tea|read a book|called a friend|danced|took a nap|ran|swam|wrote a letter|went fishing|ate soup
hello Hello|Hi|Good morning|Good evening|Good day
thanks Thank you!|Thanks!|I see.|Good to know.|That is nice.|Very good.
bye Goodbye!|Bye!|See you soon!|See you tomorrow!
fine fine|well|happy|great|a little tired
"""

SCENES = """
open
4 On [@day] [@part], {s} [@go] to {p}.
2 One [@sky] [day*3|morning*2|evening], {s} [@go] to {p}.
1 Last [week*3|month*2|@season], {s} [@go] from {h} to {p}.

shop
3 {She} had {w} coins. {She} bought {thing} for {cost} coins and had {left} coins left.
2 {She} bought {thing} for {cost} coins. {She} gave {w} coins and got {left} coins back.
1 {She} wanted {thing} and paid {cost} of {her} {w} coins. Now {she} had {left} coins.

meet
3 {She} met {t} [@spot].
2 {t} was [there too*3|waiting there*2|just passing by].

gift
3 {giver} gave {taker} {thing}. Now {taker} had the {gift}.
2 {giver} gave {thing} to {taker}.
2 {giver} had {thing} for {taker}, and {taker} [took|liked|loved] the {gift}.

look
3 {She} [@saw] the {sight} and [@after].
1 The {sight} was [big|beautiful|old|quiet|full of people|closed|bright|very nice].

pet
1 {Her} {pet} [came along|ran ahead|was tired|was hungry|slept|was happy|ate well|made a noise].

mood
1 {She} was [@mood] and [@then].

home
3 [In the evening|At night|Later|Then|At last|After that] {she} went home to {h}.
1 {She} came back to {h} [late|early|the next day|at night].

letter
3 [How are you?|I hope you are well.|I miss you.|I am happy.] I am in {p} [now|today|this week|again], and it is [@sky].
2 I am writing from {p}.
1 This letter comes from {p}.

visit
1 [Yesterday|This morning|Last night|On Sunday|On Monday|At noon] I [@saw] the {sight} and [@after].

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
3 One {x} and one {y} cost {a} + {b} = {c} coins.
2 Together, one {x} and one {y} are {a} + {b} = {c} coins.

more
3 The {x} costs {d} coins more than the {y}.
2 The {y} costs {d} coins less than the {x}.

plus
4 {a} + {b} = {c}
2 {a} plus {b} is {c}.

minus
4 {c} - {a} = {b}
2 {c} minus {a} is {b}.

gets
3 {s} has {a} {things} and gets {b} more. Now {she} has {c} {things}.
1 {s} buys {a} {things} and then {b} more. That makes {c} {things}.

eats
3 {s} has {c} {things} and eats {a}. Now {she} has {b} {things}.
1 {s} has {c} {things} and gives away {a}. {She} keeps {b} {things}.

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

how
1 [@hello], {t}! How are you?

fine
1 I am [@fine], thank you.

and_you
1 And you?

end
2 [@thanks]
1 [@thanks] [@bye]

weather
3 {day}, {p}: [@air], {n} degrees.
2 Weather in {p} on {day}: [@air], {n} degrees.
1 It is [@air] in {p} on {day}, {n} degrees.

game
3 Cards: {s} {a}, {t} {b}._
2 {s} draws {a} and {t} draws {b}._

won
2 {winner} wins.
1 The winner is {winner}.

tie
2 Nobody wins.
1 It is a tie.
"""
