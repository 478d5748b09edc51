"""Simple facts: colours, animals, the calendar, food, the body, weather, capitals, opposites, plurals, short definitions."""

from .fact_tables import (
    BODY,
    CAPITALS,
    COLOURS,
    DAYS,
    EATS,
    HOMES,
    LEGS,
    LISTS,
    MEANINGS,
    MONTHS,
    MONTH_LENGTHS,
    OPPOSITES,
    PASTS,
    PLURALS,
    SEASONS,
    SEASON_FACTS,
    SOUNDS,
    YOUNG,
)
from .language import Turn, article, bullets, capital, lines, listed, pick


def key_fact(rng, mapping, questions, answers, brief="{v}."):
    """A turn from one row of a table: {k} is the key, {v} the value, {ak} the key with its article."""
    key = rng.choice(list(mapping))
    value = mapping[key]
    slots = fact_slots(key, value)
    made = Turn(pick(rng, questions, **slots), pick(rng, answers, **slots), capital(brief.format(**slots)), check=value)
    if rng.random() < 0.2:
        key, value = rng.choice(list(mapping.items()))
        slots = fact_slots(key, value)
        made.follow_ups.append(
            Turn(
                pick(
                    rng,
                    [
                        "And [of|for] {k}?",
                        "And {k}?",
                        "What about {k}?",
                        "and {k}",
                        "How about {k}?",
                        "And what about {ak}?",
                    ],
                    **slots,
                ),
                capital(pick(rng, answers[:1], **slots)),
                capital(brief.format(**slots)),
                check=value,
            )
        )
    return made


def fact_slots(key, value):
    with_article = key if key.startswith(("the ", "a ", "an ")) or key[0].isupper() else article(key)
    return {"k": key, "v": value, "ak": with_article, "av": article(value), "K": capital(key), "V": capital(value)}


def order_turn(rng, names, what):
    index, after = rng.randrange(len(names)), rng.random() < 0.6
    other = names[(index + (1 if after else -1)) % len(names)]
    way, name = "after" if after else "before", names[index]
    question = pick(rng, ["[What|Which] {x} [comes|is] {w} {n}?", "What comes {w} {n}?"], x=what, w=way, n=name)
    plain = rng.random() < 0.6
    answer = f"{other} comes {way} {name}." if plain else f"The {what} {way} {name} is {other}."
    return Turn(question, answer, f"{other}.", check=other)


def month_turn(rng):
    month = rng.choice(MONTHS)
    count = f"{MONTH_LENGTHS[month]} days" + (", and 29 in a leap year" if month == "February" else "")
    question = pick(rng, ["How many days [are in|are there in|does] {m}[ have|]?", "How long is {m}?"], m=month)
    question = question.replace(f"are in {month} have", f"are in {month}")
    question = question.replace(f"there in {month} have", f"there in {month}")
    return Turn(question, f"{month} has {count}.", f"{count}.", check=str(MONTH_LENGTHS[month]))


def all_names_turn(rng):
    what, names = rng.choice([("days of the week", DAYS), ("months of the year", MONTHS), ("seasons", SEASONS)])
    asks = ["[What are|Name|List|Tell me|Can you list|What are all] the {all}?", "list the {all}"]
    question = pick(rng, asks, all=what)
    plain = f"The {what} are {listed(names)}."
    answer = plain if rng.random() < 0.5 else f"The {what} are:\n\n" + bullets(map(capital, names))
    return Turn(question, answer, capital(listed(names)) + ".", check=names[-1])


def unit_turn(rng):
    part, whole, count = rng.choice(UNITS)
    slots = {"u": part, "a": article(whole), "A": capital(article(whole)), "n": count}
    question = pick(rng, ["How many {u} are [there |]in {a}?", "How many {u} does {a} have?"], **slots)
    answer = pick(rng, ["There are {n} {u} in {a}.", "{A} has {n} {u}."], **slots)
    return Turn(question, answer, capital(count) + ".", check=count)


def season_turn(rng):
    season = rng.choice(SEASONS)
    asks = ["What is {s}[ like|]?", "What happens in {s}?", "Tell me about {s}."]
    asks.append("What [do you know|can you say] about {s}?")
    return Turn(pick(rng, asks, s=season), SEASON_FACTS[season], check=SEASON_FACTS[season][10:30])


def season_order_turn(rng):
    index = rng.randrange(4)
    after = rng.random() < 0.6
    other = SEASONS[(index + (1 if after else -1)) % 4]
    way = "after" if after else "before"
    question = f"{rng.choice(['What', 'Which'])} season comes {way} {SEASONS[index]}?"
    return Turn(question, f"{capital(other)} comes {way} {SEASONS[index]}.", capital(other) + ".", check=other)


UNITS = [
    ("days", "week", "seven"),
    ("months", "year", "twelve"),
    ("seasons", "year", "four"),
    ("hours", "day", "24"),
    ("minutes", "hour", "60"),
    ("seconds", "minute", "60"),
    ("days", "year", "365"),
    ("weeks", "year", "52"),
]


def calendar_turn(rng):
    kind = rng.randrange(8)
    names, what = (DAYS, "day") if rng.random() < 0.5 else (MONTHS, "month")
    if kind < 3:
        return order_turn(rng, names, what)
    return [month_turn, all_names_turn, unit_turn, season_turn, season_order_turn][kind - 3](rng)


def list_turn(rng):
    name = rng.choice(list(LISTS))
    count = rng.randint(2, min(7, len(LISTS[name])))
    chosen = rng.sample(LISTS[name], count)
    word = "zero one two three four five six seven".split()[count]
    number = rng.choice([word, word, str(count)])
    question = pick(
        rng,
        [
            "[Name|List|Tell me|Give me|Write down] {n} {l}.",
            "Can you [name|list|tell me] {n} {l}?",
            "[Make|Write] a list of {n} {l}.",
            "What are {n} {l}?",
            "I need {n} {l}",
        ],
        n=number,
        l=name,
    )
    marked = rng.random()
    if marked < 0.5:
        answer = pick(
            rng, ["Here are {w} {l}:", "{W} {l}:", "Sure, here are {w} {l}:"], w=word, W=capital(word), l=name
        )
        answer += "\n\n" + bullets(map(capital, chosen))
    elif marked < 0.7:
        answer = f"Here are {word} {name}:\n\n" + "\n".join(
            f"{i + 1}. {capital(item)}" for i, item in enumerate(chosen)
        )
    else:
        answer = f"{capital(word)} {name} are {listed(chosen)}."
    return Turn(question, answer, capital(listed(chosen)) + ".")


def one_turn(rng):
    name = rng.choice([key for key in LISTS if key.endswith("s") and key not in ("clothes", "kitchen things")])
    single = {"countries": "country"}.get(name, name.removesuffix("s"))
    item = rng.choice(LISTS[name])
    return Turn(
        pick(
            rng,
            ["Name [a|one] {s}.", "Tell me [a|one] {s}.", "Give me [a|one] {s}", "Can you name [a|one] {s}?"],
            s=single,
        )
        .replace(" a a", " an a")
        .replace(" a i", " an i"),
        capital(item) + ".",
        capital(item) + ".",
    )


def city_turn(rng):
    country = rng.choice(list(CAPITALS))
    city = CAPITALS[country]
    return Turn(
        pick(
            rng,
            [
                "What is {v}?",
                "Where is {v}?",
                "Which country has the capital {v}?",
                "{v} is the capital of which country?",
                "What do you know about {v}?",
                "Tell me about {v}.",
            ],
            v=city,
        ),
        f"{city} is the capital of {country}.",
        capital(country) + ".",
        check=country,
    )


def belongs_turn(rng):
    name, other = rng.sample(
        [
            key
            for key in LISTS
            if key
            in (
                "animals",
                "fruits",
                "vegetables",
                "colours",
                "birds",
                "drinks",
                "tools",
                "clothes",
                "insects",
                "sports",
                "shapes",
                "flowers",
            )
        ],
        2,
    )
    asked = {"colours": "colour"}.get(name, name.rstrip("s"))
    right = rng.random() < 0.6
    item = rng.choice(LISTS[name if right else other])
    if item in LISTS[name] and not right or {name, other} & {"animals"} and {name, other} & {"birds", "insects"}:
        right, item = True, rng.choice(LISTS[name])
    what = item if name in ("colours", "drinks", "sports") or item in ("trousers",) else article(item)
    if not right:
        what = item if other in ("colours", "drinks", "sports") or item == "trousers" else article(item)
    truth = {"colours": "colour"}.get(name if right else other, (name if right else other).rstrip("s"))
    truth = truth if truth == "clothe" else article(truth)
    asked = "a piece of clothing" if asked == "clothe" else article(asked)
    truth = "a piece of clothing" if truth == "clothe" else truth
    verb = "Are" if item == "trousers" else "Is"
    answer = (
        f"Yes, {what} {verb.lower()} {asked}." if right else f"No, {what} {verb.lower()} not {asked}. It is {truth}."
    )
    return Turn(
        f"{verb} {what} {asked}?",
        answer.replace("It is a piece of clothing", "It is something to wear"),
        "Yes." if right else "No.",
        check="^Yes" if right else "^No",
    )


def meaning_turn(rng):
    key = rng.choice(list(MEANINGS))
    text = MEANINGS[key]
    noun = text.split(" is ")[0].split(" has ")[0].split(" lets ")[0].split(" opens ")[0].split(" goes ")[0]
    if noun.lower().split()[-1] != key:
        noun = article(key)
    noun = noun[0].lower() + noun[1:]
    question = pick(
        rng,
        [
            "What is {n}?",
            "What is {n}?",
            "What's {n}?",
            "[Tell me|Can you tell me] what {n} is.",
            'What does "{k}" mean?',
            "[Explain|Describe] {n}.",
            "Do you know what {n} is?",
            "What does the word {k} mean?",
            "Define {k}.",
            "Tell me about {n}.",
            "What do you know about {n}?",
        ],
        n=noun,
        k=key,
    )
    return Turn(question, text, check=text[:30])


CALENDAR, LIST, BELONGS, MEANING = calendar_turn, list_turn, belongs_turn, meaning_turn
TABLES = [
    (
        4,
        COLOURS,
        [
            "What [colour|color] is {k}?",
            "Which colour is {k}?",
            "what's the colour of {k}?",
            "Tell me the colour of {k}.",
        ],
        ["{K} is {v}.", "{K} is {v}.", "The colour of {k} is {v}."],
        "{v}.",
    ),
    (
        3,
        SOUNDS,
        [
            "What [sound|noise] does {ak} make?",
            "What does {ak} say?",
            "How does {ak} sound?",
            "What do you hear from {ak}?",
        ],
        ['A {k} says "{v}".', "{v}! That is the sound of {ak}.", 'The sound of {ak} is "{v}".'],
        "{v}!",
    ),
    (
        3,
        YOUNG,
        [
            "What is a [baby|young] {k} called?",
            "What do you call a [baby|young] {k}?",
            "What is the name for a young {k}?",
        ],
        ["A young {k} is called {av}.", "A baby {k} is called {av}."],
        "{av}.",
    ),
    (
        2,
        LEGS,
        ["How many legs does {ak} have?", "How many legs has {ak} got?", "Tell me how many legs {ak} has."],
        ["{ak} has {v} legs."],
        "{v}.",
    ),
    (
        3,
        HOMES,
        ["Where does {ak} live?", "Where do you find {ak}?", "What is the home of {ak}?", "Where can I find {ak}?"],
        ["{ak} lives in {v}."],
        "in {v}.",
    ),
    (
        3,
        EATS,
        ["What does {ak} eat?", "What do you feed {ak}?", "What is the food of {ak}?", "What does {ak} like to eat?"],
        ["{ak} eats {v}.", "{ak} likes to eat {v}."],
        "{v}.",
    ),
    (
        6,
        OPPOSITES,
        [
            'What is the opposite of [{k}|"{k}"]?',
            "Opposite of {k}",
            "What's the opposite of {k}?",
            "Give me the opposite of {k}.",
            "Tell me the opposite of the word {k}.",
        ],
        ["The opposite of {k} is {v}.", 'The opposite of "{k}" is "{v}".', "It is {v}."],
        "{v}.",
    ),
    (
        4,
        PLURALS,
        [
            'What is the plural of [{k}|"{k}"]?',
            "Plural of {k}",
            "What's the plural of {k}?",
            "One {k}, two what?",
            "How do you say more than one {k}?",
        ],
        ["The plural of {k} is {v}.", 'The plural of "{k}" is "{v}".', "One {k}, two {v}."],
        "{v}.",
    ),
    (
        3,
        PASTS,
        ["What is the past [tense |]of {k}?", "Past tense of {k}", "Today I {k}. What did I do yesterday?"],
        ["The past of {k} is {v}.", 'The past tense of "{k}" is "{v}".', "Today I {k}, yesterday I {v}."],
        "{v}.",
    ),
    (
        12,
        CAPITALS,
        [
            "What is the capital [city |]of {k}?",
            "Capital of {k}",
            "What's the capital of {k}?",
            "Which city is the capital of {k}?",
            "Tell me the capital of {k}.",
            "Do you know the capital of {k}?",
            "{k} capital",
            "Name the capital of {k}.",
        ],
        ["The capital of {k} is {v}.", "The capital of {k} is {v}.", "{v} is the capital of {k}.", "It is {v}."],
        "{v}.",
    ),
    (
        1,
        BODY,
        ["What do we {k} with?", "What do you use to {k}?", "Which part of the body do we use to {k}?"],
        ["We {k} with our {v}."],
        "our {v}.",
    ),
]

WEATHER = lines("""
Why does it rain?=It rains when small drops of water in the clouds join, grow heavy and fall.
Why does it snow?=It snows when it is so cold that the water in the clouds freezes into flakes.
Why is the sky blue?=The air scatters blue light from the sun more than red light, so the sky looks blue.
Why do leaves fall?=In autumn many trees drop their leaves to save water for the winter.
Why is the sea salty?=Rivers carry a little salt from the land to the sea, and it stays there.
Where does the sun rise?=The sun rises in the east.
Where does the sun set?=The sun sets in the west.
When does water freeze?=Water freezes at 0 degrees Celsius.
When does water boil?=Water boils at 100 degrees Celsius.
How many legs do two dogs have?=Two dogs have eight legs.
How many wheels does a car have?=A car has four wheels.
How many wheels does a bicycle have?=A bicycle has two wheels.
How many fingers do I have?=Most people have ten fingers, five on each hand.
How many eyes do people have?=People have two eyes.
How many letters are in the alphabet?=The English alphabet has 26 letters.
What is the alphabet?=A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z.
What are the colours of the rainbow?=The colours of the rainbow are red, orange, yellow, green, blue, indigo and violet.
What colour do you get when you mix blue and yellow?=Blue and yellow make green.
What colour do you get when you mix red and yellow?=Red and yellow make orange.
What colour do you get when you mix red and blue?=Red and blue make purple.
What colour do you get when you mix red and white?=Red and white make pink.
What colour do you get when you mix black and white?=Black and white make grey.
What is the largest animal?=The blue whale is the largest animal on Earth.
What is the biggest animal in the world?=The blue whale is the biggest animal in the world.
What is the tallest animal?=The giraffe is the tallest animal. It has a very long neck.
What is the fastest animal on land?=The cheetah is the fastest animal on land.
Can penguins fly?=No, penguins cannot fly, but they swim very well.
Can fish fly?=No. A few fish can jump far out of the water, but most just swim.
Can dogs talk?=No, dogs cannot talk, but they bark.
Is a whale a fish?=No. A whale lives in the sea, but it breathes air and feeds its young with milk.
Is a tomato a fruit?=In the garden a tomato is a fruit. In the kitchen we use it as a vegetable.
What do plants need to grow?=Plants need water, light, air and good soil.
What do bees make?=Bees make honey.
What do cows give us?=Cows give us milk.
Where does milk come from?=Milk comes from cows, and from goats and sheep too.
Where does honey come from?=Honey comes from bees.
Where does bread come from?=Bread is made from flour, and flour comes from grain such as wheat.
What is bread made of?=Bread is made of flour, water, salt and often yeast.
What is cheese made of?=Cheese is made of milk.
What is the moon?=The moon goes around the Earth. We see it best at night.
What are the four directions?=The four directions are north, south, east and west.
What are the five senses?=The five senses are sight, hearing, smell, taste and touch.
What should I wear when it is cold?=When it is cold, wear a warm coat, a hat, a scarf and gloves.
What should I wear when it rains?=When it rains, wear a raincoat and boots, or take an umbrella.
What do we call frozen water?=Frozen water is called ice.
What is the hottest season?=Summer is the hottest season.
What is the coldest season?=Winter is the coldest season.
What is the first month of the year?=January is the first month of the year.
What is the last month of the year?=December is the last month of the year.
What is the shortest month?=February is the shortest month.
""")


def plain_turn(rng):
    question, answer = rng.choice(WEATHER).split("=", 1)
    if rng.random() < 0.2:
        question = (
            pick(rng, ["[Do you know:|Tell me:|Can you tell me:|I wonder:] "])
            + " "
            + question[0].lower()
            + question[1:]
        )
    return Turn(question, answer, check=answer[:30])


def turn(rng):
    kind = rng.choices(
        ["table", "calendar", "list", "belongs", "meaning", "plain", "one", "city"], [12, 4, 4, 1.5, 5, 3, 0.7, 1]
    )[0]
    if kind == "table":
        _, mapping, questions, answers, brief = rng.choices(TABLES, [row[0] for row in TABLES])[0]
        made = key_fact(rng, mapping, questions, answers, brief)
        made.user, made.answer = capital(made.user), capital(made.answer)
        return made
    return {
        "calendar": CALENDAR,
        "list": LIST,
        "belongs": BELONGS,
        "meaning": MEANING,
        "plain": plain_turn,
        "one": one_turn,
        "city": city_turn,
    }[kind](rng)
