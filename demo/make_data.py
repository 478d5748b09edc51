"""Writes the demo model's training text: dialogs and stories, drawn at random from the ground in corpus/.

Usage: python3 make_data.py OUT_FOLDER [--dialogs N] [--seed S] [--stage 1|2]
Writes train.jsonl, heldout.jsonl (phrasings that train.jsonl never holds) and summary.json. Standard library only.
A line is {"messages": [{"role", "content"}, ...], "check": text that the last answer must hold} or {"text": story}.
"""

import argparse
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

from corpus import about, arithmetic, facts, links, outside, sailing, stories, talk, world
from corpus.language import any_name, as_typed, pick, seeded

# Each ground with its weight in the first stage of the training.
GROUNDS = {
    "talk": (talk.turn, 15),
    "about": (about.turn, 14),
    "arithmetic": (arithmetic.turn, 18),
    "facts": (facts.turn, 24),
    "world": (world.turn, 11),
    "sailing": (sailing.turn, 7),
    "outside": (outside.turn, 13),
    "stories": (stories.turn, 6),
    "links": (links.turn, 15),
}
# What the second stage changes: stories and the model's own matters are soon known, facts and sums take longer.
SECOND_STAGE = {
    "talk": 9,
    "about": 9,
    "arithmetic": 28,
    "facts": 36,
    "sailing": 9,
    "outside": 8,
    "stories": 2,
    "links": 8,
}
PLAIN_SHARE = 0.015
HELDOUT_SHARE = 0.02
SYSTEMS_BRIEF = [
    "Answer briefly.",
    "Be brief.",
    "Keep your answers short.",
    "Answer in as few words as possible.",
    "Give short answers.",
    "Short answers only.",
    "You are a helpful assistant. Answer briefly.",
    "Please be concise.",
    "Reply with one short sentence.",
]
SYSTEMS_PLAIN = [
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "You are a helpful, honest assistant.",
    "Be helpful and kind.",
    "You are the kedge demo model.",
    "Answer the user's questions.",
    "You are a helpful AI assistant.",
    "You speak simple English.",
    "You are a chatbot.",
    "Help the user.",
]
SYSTEMS_SAILOR = [
    "Speak like a sailor.",
    "Talk like a sailor.",
    "You are a sailor.",
    "Answer like a sailor.",
    "Speak like a pirate.",
    "Talk like a pirate.",
    "You are a pirate.",
]
MORE_ASKS = [
    "[Tell me more|More|Go on|Can you tell me more|Tell me more about it|What else|Say more|Please go on|"
    "Please explain|More please][.|?|]"
]
NO_MORE = [
    "That is all that I know about it. [I am only a small model.|Would you like to know something else?]",
    "I do not know more about it. [I am a very small model.|]",
    "I am sorry, that is all that I know.",
]
YES = ["[Yes|Yes please|Yes, please|Sure|Okay|Please do|Yes!|I would like that|Go ahead]"]


def sailor(rng, answer):
    start = rng.choice(["Ahoy! ", "Aye! ", "Ahoy, matey! ", "Aye aye! "])
    return start + answer + (rng.choice(["", " Fair winds!", " Arr!"]) if "\n" not in answer else "")


def system_prompt(rng):
    """(text or None, manner, persona name or None)"""
    chance = rng.random()
    if chance < 0.62:
        return None, "plain", None
    if chance < 0.76:
        return rng.choice(SYSTEMS_PLAIN), "plain", None
    if chance < 0.89:
        return rng.choice(SYSTEMS_BRIEF), "brief", None
    if chance < 0.94:
        return rng.choice(SYSTEMS_SAILOR), "sailor", None
    name = about.persona(rng)
    text = pick(
        rng,
        [
            "You are {n}.",
            "Your name is {n}.",
            "You are {n}, a helpful assistant.",
            "You are an assistant called {n}.",
            "You are a [friendly|helpful] assistant named {n}.",
        ],
        n=name,
    )
    return text, "plain", name


def next_turn(rng, last, persona, weights):
    """The turn after `last`: a follow-up where it has one, else something new."""
    if last is not None:
        if last.more and rng.random() < 0.6:
            answer, last.more = last.more, ""
            made = talk.Turn(pick(rng, MORE_ASKS), answer, answer)
            made.more = ""
            return made
        if last.follow_ups and rng.random() < 0.75:
            made = last.follow_ups[0]
            made.follow_ups = made.follow_ups + last.follow_ups[1:]
            return made
        offer = last.answer[-60:]
        if offer.endswith("?") and "story" in offer and rng.random() < 0.6:
            tale = stories.tell(rng)
            return talk.Turn(pick(rng, YES), tale.text, follow_ups=[stories.questions_about(rng, tale)])
        if offer.endswith("?") and "joke" in offer and rng.random() < 0.6:
            return talk.Turn(pick(rng, YES), rng.choice(talk.JOKES))
        if rng.random() < 0.03 and not last.follow_ups:
            return talk.Turn(pick(rng, MORE_ASKS), pick(rng, NO_MORE), "I do not know more.")
        if rng.random() < 0.08:
            return talk.Turn(
                pick(rng, ["[Thanks|Thank you|Thanks!|Thank you!|thx|Great, thanks]"]),
                pick(
                    rng,
                    [
                        "[You are welcome|You're welcome|My pleasure]! "
                        "[Is there anything else?|Ask me if you have another question.|]"
                    ],
                ),
                "You are welcome!",
            )
    if persona and rng.random() < 0.6:
        return about.persona_turn(rng, persona)
    ground = rng.choices(list(weights), list(weights.values()))[0]
    return GROUNDS[ground][0](rng)


def remembered_name(rng, known_name):
    asked = pick(
        rng,
        [
            "What is my name?",
            "[Do you remember|Do you know] my name?",
            "What's my name?",
            "Who am I?",
            "And what is my name?",
        ],
    )
    answer = pick(rng, ["Your name is {n}.", "You are {n}.", "Your name is {n}. [I remember that.|]"], n=known_name)
    return talk.Turn(asked, answer, f"{known_name}.", check=known_name)


def dialog(rng, weights):
    """Messages, with the check of the last answer."""
    system, manner, persona = system_prompt(rng)
    messages = [{"role": "system", "content": system}] if system else []
    count = rng.choices([1, 2, 3, 4, 5, 6, 12], [48, 23, 13, 8, 5, 2, 1])[0]
    last, known_name = None, None
    for index in range(count):
        if known_name and rng.random() < 0.25 and last and not last.follow_ups:
            last = remembered_name(rng, known_name)
        elif index == 0 and count > 2 and not persona and rng.random() < 0.12:
            known_name = any_name(rng)
            last = talk.Turn(
                pick(
                    rng,
                    [
                        "My name is {n}.",
                        "[Hi|Hello], [I am|I'm|my name is] {n}[|.|!]",
                        "I am {n}, [nice to meet you|hello|hi]",
                    ],
                    n=known_name,
                ),
                pick(
                    rng,
                    ["[Hello|Hi], {n}! [How can I help you|What can I do for you]?", "Nice to meet you, {n}!"],
                    n=known_name,
                ),
                f"Hello, {known_name}!",
            )
        else:
            last = next_turn(rng, last, persona, weights)
        answer = last.brief if manner == "brief" and last.brief else last.answer
        answer = answer[0].upper() + answer[1:] if answer[:5] != "kedge" else answer
        if manner == "sailor":
            answer = sailor(rng, answer)
        messages.append({"role": "user", "content": as_typed(rng, last.user, framed="\n" not in last.user)})
        messages.append({"role": "assistant", "content": answer})
    return messages, last.check.lstrip("^") if manner == "sailor" else last.check


def heldout(user_text):
    """Whether a phrasing is kept for the check. Short common phrases are always taught."""
    letters = re.sub(r"[^a-z0-9 +*/-]", "", user_text.lower()).strip()
    if len(letters) < 14:
        return False
    return int(hashlib.sha256(letters.encode()).hexdigest()[:8], 16) % 1000 < HELDOUT_SHARE * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dialogs", type=int, default=160000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stage", type=int, choices=[1, 2], default=1)
    options = parser.parse_args()
    weights = {ground: weight for ground, (_, weight) in GROUNDS.items()} | (SECOND_STAGE if options.stage == 2 else {})
    options.out.mkdir(parents=True, exist_ok=True)
    rng = seeded(options.seed)
    counts = Counter()
    with open(options.out / "train.jsonl", "w", encoding="utf-8") as train, open(
        options.out / "heldout.jsonl", "w", encoding="utf-8"
    ) as held:
        for _ in range(options.dialogs):
            if rng.random() < PLAIN_SHARE:
                train.write(json.dumps({"text": stories.plain_text(rng)}) + "\n")
                counts["plain"] += 1
                continue
            messages, check = dialog(rng, weights)
            asked = [message["content"] for message in messages if message["role"] == "user"]
            out_of_training = any(map(heldout, asked))
            if out_of_training and not heldout(asked[-1]):
                continue
            line = {"messages": messages, "check": check}
            (held if out_of_training else train).write(json.dumps(line) + "\n")
            counts["heldout" if out_of_training else "train"] += 1
            counts["characters"] += sum(len(message["content"]) for message in messages)
    (options.out / "summary.json").write_text(json.dumps({"seed": options.seed, **counts}, indent=2) + "\n")
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
