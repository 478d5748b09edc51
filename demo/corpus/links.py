"""Short tasks whose answer stands in the question: repeating, greeting by name, and who is what. They teach a small model
to look back, which stories need to keep their names, in far fewer words than stories do."""

from .language import BOYS, GIRLS, Turn, any_name, article, capital, pick, words
from .stories import ANIMALS, PEOPLE, THINGS

WORDS = words(
    """red, boat, sun, apple, seven, green, moon, tea, dog, ship, tree, star, fish, bell, hat, king, rain, snow, house, bread, milk,
blue, cat, bird, book, lamp, stone, river, hill, cake, rope, sail, wind, salt, gold, door, road, hand, song, night, day, nine, four, ten"""
)
COLOURS = words("red, blue, green, yellow, white, black, brown, grey, orange, pink")
LIKES = words(
    """boats, books, cats, dogs, tea, soup, music, the sea, apples, rain, snow, bread, birds, flowers, stories, cake, the moon, trains, trees, fish"""
)
CITIES = words(
    "Paris, Rome, London, Berlin, Oslo, Madrid, Vienna, Lisbon, Dublin, Cairo, Tokyo, Prague, Athens, Ottawa, Lima"
)


def repeat_turn(rng):
    pool = WORDS + ANIMALS + COLOURS + (GIRLS + BOYS if rng.random() < 0.5 else [])
    said = " ".join(rng.sample(pool, rng.randint(1, 5)))
    asked = pick(rng, ["Say: {t}", "Repeat after me: {t}", "Repeat: {t}", "Please say: {t}", "Write: {t}"], t=said)
    return Turn(asked, f"You said: {said}.", f"You said: {said}.", check=said)


def greet_turn(rng):
    name = any_name(rng)
    asked = pick(
        rng,
        [
            "Say hello to {n}.",
            "My name is {n}.",
            "I am {n}.",
            "This is {n}.",
            "Hello, my name is {n}.",
            "Hi, I am {n}",
            "My friend is called {n}.",
        ],
        n=name,
    )
    answer = pick(
        rng,
        ["Hello, {n}!", "Hello, {n}! Nice to meet you.", "Hi, {n}! What can I do for you?", "Nice to meet you, {n}!"],
        n=name,
    )
    ask_again = Turn(
        pick(rng, ["What is my name?", "Who am I?", "What's my name?"]), f"Your name is {name}.", f"{name}.", check=name
    )
    follow = [ask_again] if asked.startswith(("My name", "I am", "Hello", "Hi")) and rng.random() < 0.6 else []
    return Turn(asked, answer, f"Hello, {name}!", check=name, follow_ups=follow)


def who_turn(rng):
    """Two or three names with a kind each, and a question for one of them."""
    count = rng.choice([1, 2, 2, 3])
    names = rng.sample(GIRLS + BOYS, count)
    kinds = rng.sample(ANIMALS + PEOPLE, count)
    told = " ".join(f"{name} is {article(kind)}." for name, kind in zip(names, kinds))
    index = rng.randrange(count)
    name, kind = names[index], kinds[index]
    if rng.random() < 0.5:
        return Turn(f"{told} Who is the {kind}?", f"The {kind} is {name}.", f"It is {name}.", check=name)
    return Turn(
        f"{told} What is {name}?",
        f"That is {article(kind)}: {name} is {article(kind)}.",
        f"That is {article(kind)}.",
        check=kind,
    )


def has_turn(rng):
    count = rng.choice([1, 2, 2])
    names = rng.sample(GIRLS + BOYS, count)
    things, colours = rng.sample(THINGS, count), rng.sample(COLOURS, count)
    told = " ".join(f"{capital(name)} has a {colour} {thing}." for name, colour, thing in zip(names, colours, things))
    index = rng.randrange(count)
    name, thing, colour = names[index], things[index], colours[index]
    kind = rng.randrange(3)
    if kind == 0:
        return Turn(
            f"{told} What colour is the {thing}?", f"The {thing} is {colour}.", f"It is {colour}.", check=colour
        )
    if kind == 1:
        return Turn(f"{told} Who has the {thing}?", f"The {thing} belongs to {name}.", f"It is {name}.", check=name)
    return Turn(
        f"{told} What does {name} have?",
        f"I see that {name} has a {colour} {thing}.",
        f"It is a {colour} {thing}.",
        check=thing,
    )


def likes_turn(rng):
    """Something the user says, asked for in the next turn."""
    if rng.random() < 0.5:
        thing = rng.choice(LIKES)
        again = Turn("What do I like?", f"You like {thing}.", f"You like {thing}.", check=thing)
        return Turn(
            f"I like {thing}.", f"How nice! I will remember that you like {thing}.", "How nice!", follow_ups=[again]
        )
    city = rng.choice(CITIES)
    again = Turn("Where do I live?", f"You live in {city}.", f"You live in {city}.", check=city)
    return Turn(
        f"I live in {city}.", f"I have never been there, but {city} must be nice.", "How nice!", follow_ups=[again]
    )


def turn(rng):
    return rng.choices([repeat_turn, greet_turn, who_turn, has_turn, likes_turn], [3, 3, 3, 2, 1])[0](rng)
