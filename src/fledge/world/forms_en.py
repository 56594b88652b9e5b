"""How English tells and asks every relation.

v  a verb phrase ("Mia *lives in Lakeside*"), also for "I": `~s`, {has}, {is}, {was} follow the speaker
n  a whole sentence, about a name or a pronoun; N only about a name; P only about a pronoun
q  a question; {do} {s} is "does Mia" or "do you"

{s} subject ("Mia", "bears"), {obj} the same as an object ("her", "them"), {one} "a bear", {there} a place; {poss} possessive;
{o} the fact's object ("a baker"), {bare} the same without article; {kin} what it is to the subject (husband, sister); {child}
what the subject is to its parent. Slots in capitals begin a sentence. `@direction` stands for four relations, @ for their word.
"""

EN = """
home
v 5 live~s in {o}
v 4 {has} a [@adj] house in {o}
v 1 come~s from {o}
n 3 {Poss} home is in {o}
n 1 {Poss} house [stands|is*2] in {o}
q 4 Where {do} {s} live?
q 2 Where is {poss} home?
q 1 In which town {do} {s} live?

job
v 4 work~s as {o}
v 2 {is} {o}
v 4 {is} a [@adj] {bare}
v 1 {has} a job as {o}
n 2 Every [day*3|morning*2|week] {s} go~es to work as {o}
n 1 By trade, {s} {is} {o}
q 4 What is {poss} job?
q 3 What {do} {s} do for a living?
q 1 What kind of work {do} {s} do?

food
v 4 like~s to eat {o}
v 3 love~s {o}
v 3 eat~s {o} [daily|often|a lot|at noon|at night|on Sunday|with tea|for lunch]
n 4 {Poss} favourite food is {o}
n 1 What {s} like~s to eat most is {o}
q 4 What is {poss} favourite food?
q 2 What {do} {s} like to eat?
q 1 Which food {do} {s} like best?

colour
v 3 like~s the colour {o}
v 2 often wear~s {o}
v 4 like~s {o} [flowers|hats|shoes|coats|cars|doors|cups|bags|boats|kites]
n 4 {Poss} favourite colour is {o}
n 1 The colour {s} like~s best is {o}
q 4 What is {poss} favourite colour?
q 2 Which colour {do} {s} like best?
q 1 What colour {do} {s} love?

pet
v 3 {has} {o}
v 4 {has} a [@adj] {bare}
v 2 keep~s {o} at home
v 2 {has} {o} as a pet
n 3 {Poss} pet is {o}
q 4 What is {poss} pet?
q 2 What pet {do} {s} have?
q 1 What animal {do} {s} keep at home?

month
v 4 {was} born in {o}
v 3 {was} born on a [@sky] day in {o}
v 2 {has} a birthday in {o}
n 3 {Poss} birthday is in {o}
q 4 When is {poss} birthday?
q 2 In which month {was} {s} born?
q 1 In what month is {poss} birthday?

spouse
v 4 {is} married to {o}
v 2 {has} a {kin} named {o}
n 4 {Poss} {kin} is {o}
n 1 {Poss} {kin} is called {o}
q 4 Who is {poss} {kin}?
q 2 Who {is} {s} married to?
q 1 What is the name of {poss} {kin}?

father
v 3 {is} the {child} of {o}
v 1 {has} a father named {o}
n 4 {Poss} father is {o}
n 1 {Poss} father is called {o}
q 4 Who is {poss} father?
q 1 What is the name of {poss} father?

mother
v 3 {is} the {child} of {o}
v 1 {has} a mother named {o}
n 4 {Poss} mother is {o}
n 1 {Poss} mother is called {o}
q 4 Who is {poss} mother?
q 1 What is the name of {poss} mother?

older
v 3 {has} an older {kin} named {o}
n 4 {Poss} older {kin} is {o}
n 1 {Poss} older {kin} is called {o}
q 4 Who is {poss} older {kin}?
q 1 What is the name of {poss} older {kin}?

younger
v 3 {has} a younger {kin} named {o}
n 4 {Poss} younger {kin} is {o}
n 1 {Poss} younger {kin} is called {o}
q 4 Who is {poss} younger {kin}?
q 1 What is the name of {poss} younger {kin}?

sight
v 4 {is} known for its {o}
v 5 {has} a [@adj] {o}
N 2 People [come*2|travel] to {s} to see the {o}
N 2 The {o} of {s} is [@adj]
P 2 Its {o} is [@adj]
q 4 What is {s} known for?
q 2 What can you see in {s}?
q 1 What do people visit in {s}?

@direction
v 2 {has} {o} to its @
n 4 @ of {s} is {o}
n 3 @ of {s} lies {o}
n 2 If you go @ from {there}, you [come to|reach] {o}
q 4 What is @ of {s}?
q 2 Which place lies @ of {s}?
q 1 Where do you get if you go @ from {s}?

price
v 5 cost~s {o} coins each
v 1 {is} sold for {o} coins each
N 3 The price of {one} is {o} coins
N 2 {One} costs {o} coins
P 2 The price is {o} coins
P 1 You [pay*3|need] {o} coins for one
q 4 How much does {one} cost?
q 2 What is the price of {one}?
q 1 How many coins do you pay for {one}?

looks
v 3 {is} {o}
v 2 {is} [often|mostly|always|usually] {o}
v 1 look~s {o}
N 2 The colour of {s} is {o}
P 2 Their colour is {o}
q 4 What colour {is} {s}?
q 1 What is the colour of {s}?

shop
v 4 {is} sold in {o}
v 1 {is} easy to find in {o}
n 2 You can buy {obj} in {o}
n 2 People go to {o} to buy {obj}
q 4 Where can you buy {s}?
q 2 Where {is} {s} sold?
q 1 Which place sells {s}?

habitat
v 5 live~s in the {o}
v 1 make~s {poss} home in the {o}
n 2 You can see {obj} in the {o}
q 4 Where {do} {s} live?
q 2 Where can you see {s}?
q 1 What is the home of {s}?

diet
v 4 eat~s {o}
v 3 [often|mostly|always|usually] eat~s {o}
v 1 live~s on {o}
N 1 The food of {s} is {o}
P 1 Their food is {o}
q 4 What {do} {s} eat?
q 2 What {do} {s} like to eat?
q 1 What is the food of {s}?

legs
v 5 {has} {o} legs
v 2 walk~s on {o} legs
N 2 {One} has {o} legs
q 4 How many legs {do} {s} have?
q 1 How many legs does {one} have?

coat
v 3 {is} {o}
v 2 {is} [often|mostly|always|usually] {o}
v 1 look~s {o}
N 2 The colour of {s} is {o}
P 2 Their colour is {o}
q 4 What colour {is} {s}?
q 1 What is the colour of {s}?
"""
