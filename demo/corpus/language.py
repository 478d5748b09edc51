"""Small tools for making text: alternatives, slots, articles, and the ways in which people type."""

import random
import re
from dataclasses import dataclass, field

INNERMOST_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass
class Turn:
    """One question and its answer. `brief` answers a system prompt that asks for few words, `more` a "tell me more".
    `check` is a text that a right answer holds; it is used on held-out questions only."""

    user: str
    answer: str
    brief: str = ""
    more: str = ""
    check: str = ""
    follow_ups: list = field(default_factory=list)


def expand(rng, pattern, **slots):
    """Replaces every [a|b|c], innermost first, by one of its alternatives, and every {name} by its slot."""
    while True:
        found = INNERMOST_CHOICE.search(pattern)
        if not found:
            break
        choice = rng.choice(found.group(1).split("|"))
        pattern = pattern[: found.start()] + choice + pattern[found.end() :]
    text = pattern.format(**slots) if slots else pattern
    return re.sub(r" {2,}", " ", text).strip()


def pick(rng, patterns, **slots):
    return expand(rng, rng.choice(patterns), **slots)


def lines(block):
    """The non-empty lines of a block of text: one pattern a line."""
    return [line.strip() for line in block.strip().splitlines() if line.strip()]


def table(block):
    """Lines of `key: value` as a dictionary."""
    return dict(tuple(part.strip() for part in line.split(":", 1)) for line in lines(block))


def words(block):
    """Comma-separated entries."""
    return [entry.strip() for entry in block.replace("\n", " ").split(",") if entry.strip()]


def article(noun):
    vowel = noun[0].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "eu", "one"))
    return ("an " if vowel or noun.lower().startswith(("hour", "honest")) else "a ") + noun


def capital(text):
    return text[:1].upper() + text[1:]


def listed(items):
    """a, b and c."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def bullets(items):
    return "\n".join("- " + item for item in items)


def typo(rng, text):
    """One slip of the fingers: two letters swapped, one lost, or one doubled."""
    places = [
        i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha() and text[i - 1].isalpha()
    ]
    if not places:
        return text
    i = rng.choice(places)
    kind = rng.random()
    if kind < 0.4:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return text[:i] + text[i + 1 :] if kind < 0.8 else text[:i] + text[i] + text[i:]


POLITE_STARTS = [
    "please ",
    "Can you tell me: ",
    "Hey, ",
    "Hi, ",
    "Hello! ",
    "ok, ",
    "Okay, ",
    "So, ",
    "Well, ",
    "Now: ",
    "I have a question: ",
    "Quick question: ",
    "And ",
    "Tell me, ",
    "One more thing: ",
    "Excuse me, ",
]
POLITE_ENDS = [" please", ", please", " please?", " Thanks!", " thank you", " :)", " Thank you.", "?"]


def as_typed(rng, text, framed=True):
    """A question as people type it: often with a polite frame, without capitals or end marks, or with a slip."""
    if framed and rng.random() < 0.1:
        start = rng.choice(POLITE_STARTS)
        keep = text.startswith(("I ", "I'")) or rng.random() < 0.3
        text = capital(start) + (text if keep else text[:1].lower() + text[1:])
    if framed and rng.random() < 0.05:
        text = text.rstrip("?.!") + rng.choice(POLITE_ENDS)
    style = rng.random()
    named = (
        re.search(r" (?!I\b)[A-Z]", text) is not None
    )  # most people keep a name's capital, and it is hard to restore
    if style < (0.05 if named else 0.25):
        text = text.lower()
    if style < 0.15 or style > 0.93:
        text = text.rstrip("?.!")
    if rng.random() < 0.01:
        text = text.upper()
    if rng.random() < 0.03:
        text = text.rstrip("?.!") + rng.choice(["??", "!", "!!", "...", " ?", "."])
    if len(text) > 12 and rng.random() < 0.06:
        text = typo(rng, text)
    return text


def made_up_name(rng):
    """A name that no list holds, so that a name has to be read from the dialog and not remembered."""
    starts = words("b, br, c, ch, d, dr, f, g, h, j, k, kl, l, m, n, p, r, s, sh, t, tr, v, w, y, z, a, e, i, o")
    middles = words("a, e, i, o, u, ai, ee, ia, oo, an, en, in, on, ar, el, il, or, am, em")
    ends = words("la, na, ra, mi, ko, ton, ra, lin, bert, ta, do, s, n, x, ric, vin, ya, bel, dor, ly, ni, mo, ka, ro")
    middle = rng.choice(middles) + (rng.choice("bdfgklmnprstvz") + rng.choice(middles) if rng.random() < 0.3 else "")
    return capital(rng.choice(starts) + middle + rng.choice(ends))


GIRLS = words(
    """Mia, Anna, Lily, Emma, Rosa, Nora, Ella, Zoe, Ruby, Clara, Ada, Ivy, Maya, Lena, Sara, Tina, Olga, Kate, Grace,
Hana, Amara, Leila, Yuki, Priya, Mei, Fatima, Ines, Greta, Freya, Luna, Molly, Daisy, Pearl, Alice, Julia, Eva, Nina, Tara, Vera,
Wendy, Sofia, Marta, Elena, Chloe, Lucy, Hazel, Iris, Jane, Mary, Susan, Linda, Emily, Olivia, Ava, Bella, Penny, Poppy, Willow"""
)
BOYS = words(
    """Tom, Ben, Max, Leo, Sam, Finn, Jack, Noah, Oscar, Theo, Hugo, Felix, Otto, Paul, Adam, Luke, Omar, Ali, Ravi, Kenji,
Diego, Mateo, Ivan, Anton, Emil, Nils, Lars, Kofi, Tariq, Chen, Wei, Jonas, Peter, Simon, David, Daniel, Henry, George, Arthur, Alex,
Charlie, Toby, Milo, Rory, Ned, Fred, Bruno, Carlo, Marco, Victor, James, John, Robert, Michael, Liam, Ethan, Lucas, Gus, Pip, Walter"""
)


def any_name(rng):
    return made_up_name(rng) if rng.random() < 0.3 else rng.choice(GIRLS + BOYS)


def seeded(seed):
    return random.Random(seed)
