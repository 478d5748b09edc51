"""Sums, counting and comparing small numbers."""

from .language import Turn, pick

NUMBER_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty""".split()
THINGS = "apples pears shells boats books cups stones fish stars cookies birds coins pens eggs cats balls".split()


def sum_turn(rng):
    kind = rng.choice(["plus", "plus", "plus", "minus", "minus", "minus", "times"])
    if kind == "plus":
        total = rng.randint(0, 20)
        a = rng.randint(0, total)
        b, result, sign = total - a, total, "+"
    elif kind == "minus":
        a = rng.randint(0, 20)
        b = rng.randint(0, a)
        result, sign = a - b, "-"
    else:
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        result, sign = a * b, rng.choice(["*", "x"])
    slots = {"a": a, "b": b, "s": sign, "kind": kind}
    if rng.random() < 0.2:
        slots["a"], slots["b"] = (NUMBER_WORDS[number] for number in (a, b))
        question = pick(
            rng, ["[What is|What's|How much is] {a} {kind} {b}?", "{a} {kind} {b}", "{a} {kind} {b}?"], **slots
        )
    else:
        question = pick(
            rng,
            [
                "What is {a} {s} {b}?",
                "What is {a} {kind} {b}?",
                "{a} {s} {b}",
                "{a}{s}{b}",
                "{a} {s} {b} =",
                "{a}{s}{b}=?",
                "How much is {a} {kind} {b}?",
                "[Calculate|Compute|Work out|Solve] {a} {s} {b}.",
                "What's {a} {s} {b}?",
                "What does {a} {s} {b} make?",
                "Can you [add|work out|do] {a} {s} {b}?",
                "How much is {a} {s} {b}?",
                "[what|what's|whats] {a} {kind} {b}",
            ],
            **slots,
        )
        if "add" in question and sign != "+":
            question = question.replace("add", "do")
    answer = pick(
        rng,
        [
            "{a} {s} {b} = {r}.",
            "{a} {kind} {b} is {r}.",
            "{a} {s} {b} = {r}.",
            "The answer is {r}.",
            "That is {r}: {a} {s} {b} = {r}.",
        ],
        a=a,
        b=b,
        s=sign,
        kind=kind,
        r=result,
    )
    return Turn(question, answer, brief=f"{result}.", check=f"{result}")


def word_problem_turn(rng):
    thing, a = rng.choice(THINGS), rng.randint(1, 12)
    if rng.random() < 0.5:
        b = rng.randint(1, 20 - a)
        result, sign = a + b, "+"
        question = pick(
            rng,
            [
                "I have {a} {t} and [I get|you give me|my friend gives me|I find|I buy] {b} more. How many "
                "[{t} do I have|do I have now|are there]?",
                "If I have {a} {t} and [find|buy|get] {b} more, how many " "{t} do I have?",
                "There are {a} {t} on the table and {b} {t} on the floor. How many are there in all?",
            ],
            a=a,
            b=b,
            t=thing,
        )
    else:
        b = rng.randint(1, a)
        result, sign = a - b, "-"
        question = pick(
            rng,
            [
                "I have {a} {t} and I [lose|give away|sell] {b}. How many [{t} do I have|do I have left|are left]?",
                "There are {a} {t}. [I take away|Someone takes] {b}. How many are left?",
                "If I have {a} {t} and give you {b}, how many do I have left?",
            ],
            a=a,
            b=b,
            t=thing,
        )
    noun = thing if result != 1 else {"fish": "fish"}.get(thing, thing.rstrip("s"))
    answer = pick(
        rng,
        [
            "You have {r} {n}, because {a} {s} {b} = {r}.",
            "{a} {s} {b} = {r}, so [you have|that makes] {r} {n}.",
            "That makes {r} {n}.",
        ],
        a=a,
        b=b,
        s=sign,
        r=result,
        n=noun,
    )
    return Turn(question, answer, brief=f"{result}.", check=f"{result}")


def count_turn(rng):
    down = rng.random() < 0.3
    start, end = (1, rng.randint(3, 20)) if rng.random() < 0.7 else sorted(rng.sample(range(0, 21), 2))
    numbers = list(range(start, end + 1))
    if down:
        numbers.reverse()
        question = pick(
            rng,
            ["Count [down|backwards|back] from {e} to {s}.", "Can you count [down|backwards] from {e} to {s}?"],
            s=start,
            e=end,
        )
    elif start == 1 and rng.random() < 0.7:
        question = pick(
            rng,
            ["Count to {e}.", "Can you count to {e}?", "count up to {e}", "Please count to {e}"],
            e=end if rng.random() < 0.7 else NUMBER_WORDS[end],
        )
    else:
        question = pick(
            rng,
            ["Count from {s} to {e}.", "Can you count from {s} to {e}?", "List the numbers from {s} to {e}"],
            s=start,
            e=end,
        )
    run = ", ".join(map(str, numbers))
    opening = rng.choice(["", "", "Sure: ", "Here we go: ", "Of course: "])
    return Turn(question, f"{opening}{run}.", brief=f"{run}.", check=run)


def compare_turn(rng):
    a, b = rng.sample(range(0, 101), 2)
    bigger = rng.random() < 0.6
    winner = max(a, b) if bigger else min(a, b)
    word = rng.choice(["bigger", "larger", "greater"]) if bigger else rng.choice(["smaller", "less"])
    loser = a + b - winner
    question = pick(
        rng,
        ["Which is {w}, {a} or {b}?", "Which number is {w}: {a} or {b}?", "What is {w}, {a} or {b}?"],
        w=word,
        a=a,
        b=b,
    )
    answer = pick(
        rng,
        ["{x} is {w} than {y}.", "The {w} number is {x}." if word != "less" else "{x} is less than {y}."],
        x=winner,
        y=loser,
        w=word,
    )
    return Turn(question, answer, brief=f"{winner}.", check=f"{winner}")


def parity_turn(rng):
    number = rng.randint(0, 30)
    kind = "odd" if number % 2 else "even"
    question = pick(
        rng,
        ["Is {n} [even or odd|odd or even]?", "Is {n} an {k} number?", "is {n} even or odd"],
        n=number,
        k=rng.choice(["even", "odd"]),
    )
    yes = ""
    if "an even" in question or "an odd" in question:
        yes = "Yes, " if f"an {kind}" in question else "No, "
    return Turn(
        question,
        f"{yes}{number} is {'an ' + kind + ' number' if rng.random() < 0.5 else kind}.",
        brief=f"{yes}{kind}." if yes else kind.capitalize() + ".",
        check=kind,
    )


def next_number_turn(rng):
    number, after = rng.randint(1, 29), rng.random() < 0.6
    other = number + 1 if after else number - 1
    way = "after" if after else "before"
    question = pick(
        rng, ["What [number comes|comes|is the number] {w} {n}?", "Which number comes {w} {n}?"], w=way, n=number
    )
    return Turn(
        question,
        f"{other} comes {way} {number}." if rng.random() < 0.5 else f"The number {way} {number} is {other}.",
        brief=f"{other}.",
        check=f"{other}",
    )


def number_word_turn(rng):
    number = rng.randint(0, 20)
    question = pick(
        rng,
        [
            "How do you [spell|write] {n} [as a word|in words|in letters]?",
            "Write {n} as a word.",
            "What is {n} in words?",
        ],
        n=number,
    )
    return Turn(
        question,
        pick(rng, ['{n} is written "{w}".', 'You write it "{w}".'], n=number, w=NUMBER_WORDS[number]),
        brief=f"{NUMBER_WORDS[number].capitalize()}.",
        check=NUMBER_WORDS[number],
    )


def beyond_turn(rng):
    """Sums over 20 are beyond the ground; the model says so."""
    a, b = rng.randint(8, 20), rng.randint(13, 20)
    return Turn(
        pick(
            rng,
            ["What is {a} + {b}?", "{a} + {b}", "{a}+{b}", "What is {a} plus {b}?", "How much is {a} plus {b}?"],
            a=a,
            b=b,
        ),
        pick(
            rng,
            [
                "That is more than 20, and I have only learned small sums.",
                "I only know sums up to 20, and {a} + {b} is more.",
            ],
            a=a,
            b=b,
        ),
        "More than 20.",
        check="20",
    )


def chance_turn(rng):
    kind = rng.randrange(3)
    if kind == 0:
        high = rng.choice([5, 6, 10, 20])
        number = rng.randint(1, high)
        return Turn(
            pick(
                rng,
                [
                    "[Pick|Choose|Give me|Tell me|Think of] a [random |]number [between|from] 1 [and|to] {h}.",
                    "A number between 1 and {h}, please",
                ],
                h=high,
            ),
            pick(rng, ["{n}.", "I choose {n}.", "How about {n}?"], n=number),
            f"{number}.",
        )
    if kind == 1:
        return Turn(
            pick(rng, ["[Flip|Toss|Throw] a coin[|.| for me]", "Heads or tails?"]),
            pick(rng, ["[Heads|Tails]!", "It is [heads|tails]."]),
            pick(rng, ["[Heads|Tails]."]),
        )
    return Turn(
        pick(rng, ["[Roll|Throw] [a die|a dice|the dice|a die for me]", "Can you roll a die?"]),
        pick(rng, ["You got a {n}.", "It is a {n}.", "{n}!"], n=rng.randint(1, 6)),
        f"{rng.randint(1, 6)}.",
    )


def turn(rng):
    makers = (
        [sum_turn] * 11
        + [word_problem_turn] * 2
        + [
            beyond_turn,
            chance_turn,
            count_turn,
            count_turn,
            compare_turn,
            parity_turn,
            next_number_turn,
            number_word_turn,
        ]
    )
    return rng.choice(makers)(rng)
