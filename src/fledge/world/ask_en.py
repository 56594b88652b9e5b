"""How conversations ask for facts and answer in English. `{s}` is the subject, `{o}` the object; questions.py fills in the rest
(`{a}` "an onion", `{many}` "onions", `{oa}` "a baker"; a capital letter begins a sentence).

The forms in `held_out` are never used in a conversation nor in the pretraining text: they measure whether a model understood what
is asked or learnt the wording.
"""

from __future__ import annotations

ASK_EN: dict[str, dict[str, tuple[str, ...]]] = {
    "home": dict(
        seen=(
            "Where does {s} live?",
            "Where is {s}'s home?",
            "In which town does {s} live?",
            "Do you know where {s} lives?",
        ),
        held_out=("Which town does {s} live in?", "Do you know where {s}'s home is?", "In which town is {s}'s home?"),
        answers=("{s} lives in {o}.", "{s}'s home is in {o}."),
        follow=("where does {he} live?", "where is {his} home?"),
    ),
    "job": dict(
        seen=(
            "What is {s}'s job?",
            "What does {s} do for a living?",
            "What kind of work does {s} do?",
            "Do you know {s}'s job?",
        ),
        held_out=("What job does {s} have?", "Do you know what {s}'s job is?", "What work does {s} do for a living?"),
        answers=("{s} is {oa}.", "{s} works as {oa}."),
        follow=("what is {his} job?", "what does {he} do for a living?"),
    ),
    "food": dict(
        seen=(
            "What is {s}'s favourite food?",
            "What does {s} like to eat?",
            "Which food does {s} like best?",
            "What does {s} like to eat best?",
        ),
        held_out=(
            "Which food is {s}'s favourite?",
            "What food does {s} like best?",
            "Which food does {s} like to eat?",
        ),
        answers=("{s} likes to eat {o}.", "{s}'s favourite food is {o}."),
        follow=("what is {his} favourite food?", "what does {he} like to eat?"),
    ),
    "colour": dict(
        seen=(
            "What is {s}'s favourite colour?",
            "Which colour does {s} like best?",
            "What colour does {s} like?",
            "Do you know {s}'s favourite colour?",
        ),
        held_out=("Which colour is {s}'s favourite?", "What colour does {s} like best?", "Which colour does {s} like?"),
        answers=("{s}'s favourite colour is {o}.", "{s} likes the colour {o}."),
        follow=("what is {his} favourite colour?", "which colour does {he} like best?"),
    ),
    "pet": dict(
        seen=(
            "What pet does {s} have?",
            "What is {s}'s pet?",
            "What animal does {s} keep at home?",
            "Do you know {s}'s pet?",
        ),
        held_out=("Which pet does {s} have?", "What animal is {s}'s pet?", "Which pet does {s} keep at home?"),
        answers=("{s} has {oa}.", "{s}'s pet is {oa}."),
        follow=("what pet does {he} have?", "what is {his} pet?"),
    ),
    "month": dict(
        seen=(
            "In which month was {s} born?",
            "When is {s}'s birthday?",
            "In what month is {s}'s birthday?",
            "When was {s} born?",
        ),
        held_out=("In what month was {s} born?", "Which month is {s}'s birthday in?", "Do you know when {s} was born?"),
        answers=("{s} was born in {o}.", "{s}'s birthday is in {o}."),
        follow=("in which month was {he} born?", "when is {his} birthday?"),
    ),
    "spouse": dict(
        seen=(
            "Who is {s}'s {kin}?",
            "Who is {s} married to?",
            "What is the name of {s}'s {kin}?",
            "Do you know {s}'s {kin}?",
        ),
        held_out=("Who is the {kin} of {s}?", "Do you know who {s}'s {kin} is?", "What is {s}'s {kin} called?"),
        answers=("{s}'s {kin} is {o}.", "{s} is married to {o}."),
        follow=("who is {his} {kin}?", "who is {he} married to?"),
    ),
    "relative": dict(
        seen=(
            "Who is {s}'s {kin}?",
            "What is the name of {s}'s {kin}?",
            "Do you know {s}'s {kin}?",
            "Please tell me who {s}'s {kin} is.",
        ),
        held_out=("Who is the {kin} of {s}?", "Do you know who {s}'s {kin} is?", "What is {s}'s {kin} called?"),
        answers=("{s}'s {kin} is {o}.", "{s}'s {kin} is called {o}."),
        follow=("who is {his} {kin}?", "what is the name of {his} {kin}?"),
    ),
    "sight": dict(
        seen=(
            "What is {s} known for?",
            "What can you see in {s}?",
            "What do people visit in {s}?",
            "Do you know what {s} is known for?",
        ),
        held_out=(
            "What do people see in {s}?",
            "What can people visit in {s}?",
            "Do you know what you can see in {s}?",
        ),
        answers=("{s} is known for its {o}.", "{s} has a famous {o}."),
        follow=("what is it known for?", "what can you see there?"),
    ),
    "direction": dict(
        seen=(
            "What is {d} of {s}?",
            "Which place lies {d} of {s}?",
            "What lies {d} of {s}?",
            "Where do you get if you go {d} from {s}?",
        ),
        held_out=(
            "Which place is {d} of {s}?",
            "If you go {d} from {s}, where do you get?",
            "Do you know what is {d} of {s}?",
        ),
        answers=("{D} of {s} is {o}.", "{D} of {s} lies {o}."),
        follow=("what is {d} of it?", "what lies {d} of it?"),
    ),
    "price": dict(
        seen=(
            "How much does {a} cost?",
            "What is the price of {a}?",
            "How much is {a}?",
            "How many coins do you pay for {a}?",
        ),
        held_out=("What does {a} cost?", "How many coins does {a} cost?", "Do you know the price of {a}?"),
        answers=("{Many} cost {o} coins each.", "The price of {a} is {o} coins."),
        follow=("how much does one cost?", "how much is one?"),
    ),
    "looks": dict(
        seen=(
            "What colour are {many}?",
            "What colour is {a}?",
            "Which colour are {many}?",
            "What is the colour of {many}?",
        ),
        held_out=("Which colour is {a}?", "What is the colour of {a}?", "Do you know what colour {many} are?"),
        answers=("{Many} are {o}.", "The colour of {many} is {o}."),
        follow=("what colour are they?", "what is their colour?"),
    ),
    "shop": dict(
        seen=(
            "Where can you buy {many}?",
            "Where are {many} sold?",
            "Which place sells {many}?",
            "Where can I buy {a}?",
        ),
        held_out=("Where can I buy {many}?", "In which place are {many} sold?", "Do you know where {many} are sold?"),
        answers=("{Many} are sold in {o}.", "You can buy {many} in {o}."),
        follow=("where can you buy them?", "where are they sold?"),
    ),
    "habitat": dict(
        seen=(
            "Where do {many} live?",
            "Where can you see {many}?",
            "Where does {a} live?",
            "Do you know where {many} live?",
        ),
        held_out=("Do you know where {a} lives?", "Where can you see {a}?", "In what kind of place do {many} live?"),
        answers=("{Many} live in the {o}.", "You can see {many} in the {o}."),
        follow=("where do they live?", "where can you see them?"),
    ),
    "diet": dict(
        seen=(
            "What do {many} eat?",
            "What do {many} like to eat?",
            "What does {a} eat?",
            "Do you know what {many} eat?",
        ),
        held_out=("What does {a} like to eat?", "Do you know what {a} eats?", "Which food do {many} eat?"),
        answers=("{Many} eat {o}.", "{Many} like to eat {o}."),
        follow=("what do they eat?", "what do they like to eat?"),
    ),
    "legs": dict(
        seen=(
            "How many legs do {many} have?",
            "How many legs does {a} have?",
            "How many legs are there on {a}?",
            "Do you know how many legs {a} has?",
        ),
        held_out=(
            "How many legs has {a} got?",
            "Do you know how many legs {many} have?",
            "How many legs are there on {many}?",
        ),
        answers=("{Many} have {o} legs.", "{A} has {o} legs."),
        follow=("how many legs do they have?", "how many legs have they got?"),
    ),
}
