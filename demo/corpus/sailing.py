"""Words of the sea, with the word that gives kedge its name."""

from .language import Turn, article, pick, table

KEDGE = [
    "To kedge is to move a ship by hauling on a small anchor. A boat carries the anchor ahead, drops it, and the crew pulls the ship up to it.",
    "A kedge is a small anchor. When there is no wind, sailors drop it ahead of the ship and haul the ship towards it.",
    "To kedge means to pull a ship along by a rope that is tied to a small anchor. Sailors did it when there was no wind.",
]
KEDGE_MORE = [
    "When the ship reaches the anchor, the sailors lift it and carry it ahead again. So the ship moves on, step by step.",
    "Kedging is slow and hard work, but it needs no wind. It also helps to pull a ship off the sand.",
    "The program kedge has its name from this: it moves forward with what you have, an ordinary CPU, and does not wait for the wind.",
]

TERMS = table("""
anchor: a heavy hook on a rope or chain that holds a ship in place
bow: the front part of a ship
stern: the back part of a ship
port: the left side of a ship when you look forward
starboard: the right side of a ship when you look forward
mast: the tall pole that carries the sails
sail: a large piece of cloth that catches the wind and moves the ship
keel: the long beam along the bottom of a ship that keeps it steady
rudder: the flat piece at the stern that steers the ship
helm: the wheel or tiller with which a ship is steered
tiller: a handle that turns the rudder of a small boat
deck: the floor of a ship
hull: the body of a ship
cabin: a small room on a ship
galley: the kitchen of a ship
hatch: an opening in the deck with a cover
crew: the people who work on a ship
captain: the person who commands a ship
harbour: a sheltered place where ships can stay
bay: a part of the sea with land on three sides
tide: the rise and fall of the sea, twice a day
current: water that flows in one direction in the sea
knot: a unit of speed at sea, and also a tie in a rope
nautical mile: a unit of distance at sea, about 1.85 kilometres
compass: an instrument that shows where north is
chart: a map of the sea
lighthouse: a tower with a bright light that guides ships
buoy: a floating sign that marks a place in the water
jetty: a long wall or platform where boats can land
dock: a place where ships are loaded or repaired
oar: a long pole with a flat end that moves a rowing boat
capstan: a drum that sailors turn to haul in a heavy rope
windlass: a machine that lifts the anchor
rope: a strong thick cord
line: what sailors call a rope with a job to do
halyard: a rope that lifts a sail
sheet: a rope that controls a sail
boom: the pole along the bottom of a sail
jib: a small sail in front of the mast
spinnaker: a big light sail for wind from behind
rigging: all the ropes and wires that hold the mast and work the sails
ballast: heavy things low in a ship that keep it steady
bilge: the lowest part inside a ship
bosun: the officer who looks after the ropes, sails and deck
calm: weather without wind
gale: a very strong wind
breeze: a light, pleasant wind
doldrums: a part of the sea near the equator where the wind often fails
leeward: the side away from the wind
windward: the side from which the wind comes
reef: a line of rocks or coral near the surface, or a part of a sail that is folded away
raft: a flat boat made of logs tied together
ferry: a boat that carries people and cars across the water
tug: a small strong boat that pulls big ships
yacht: a boat for pleasure or racing
schooner: a ship with two or more masts and sails along its length
dinghy: a small open boat
canoe: a narrow light boat that is moved with a paddle
log: a book in which the captain writes down what happens on a voyage
voyage: a long journey by sea
wake: the trail that a ship leaves in the water
bollard: a short thick post to which ships are tied
mooring: a place where a boat is tied up
fathom: a unit of depth at sea, about 1.8 metres
""")
VERBS = table("""
tack: to turn the bow of a ship through the wind
gybe: to turn the stern of a ship through the wind
moor: to tie up a boat
row: to move a boat with oars
haul: to pull hard on a rope
hoist: to lift a sail or a flag
steer: to guide a ship
sail: to move over the water with the help of the wind
weigh anchor: to lift the anchor from the bottom
drop anchor: to let the anchor fall so that the ship stays in place
furl: to roll up a sail
bail: to throw water out of a boat
drift: to be moved by wind or water without steering
run aground: to touch the bottom and get stuck
set sail: to begin a voyage
""")


def kedge_turn(rng):
    question = pick(
        rng,
        [
            "What does [the word |]kedge mean?",
            "What is a kedge?",
            'What does "kedge" mean?',
            "What is kedging?",
            "Why is [it|the program|this program] called kedge?",
            "Where does the name kedge come from?",
            "What does it mean to kedge?",
            "[Explain|Tell me about] the word kedge.",
            "What does to kedge mean[ at sea|]?",
            "Define kedge.",
        ],
    )
    answer, more = rng.choice(KEDGE), rng.choice(KEDGE_MORE)
    if "called" in question or "come from" in question:
        answer = "To kedge is to move a ship by hauling on a small anchor when there is no wind. " + rng.choice(
            [
                "kedge the program moves language models on CPUs, without waiting for a GPU.",
                "Here the wind is the GPU: kedge works without one.",
            ]
        )
    return Turn(question, answer, "To move a ship by hauling on a small anchor.", more, check="anchor")


def term_turn(rng):
    if rng.random() < 0.25:
        verb = rng.choice(list(VERBS))
        question = pick(
            rng,
            [
                "What does to {v} mean?",
                "What does it mean to {v}?",
                'What does "{v}" mean [at sea|on a ship]?',
                '[Explain|Define] "{v}" [in sailing|for a sailor].',
            ],
            v=verb,
        )
        return Turn(
            question, pick(rng, ["To {v} is {m}.", "To {v} means {m}."], v=verb, m=VERBS[verb]), check=VERBS[verb][:25]
        )
    term = rng.choice(list(TERMS))
    plain = {"port", "starboard", "ballast", "rigging", "calm"}
    noun = term if term in plain else "the doldrums" if term == "doldrums" else article(term)
    question = pick(
        rng,
        [
            "What is {n} [on a ship|on a boat|in sailing|at sea|]?",
            "What is {n}?",
            "What does {t} mean [at sea|on a ship|for a sailor|in sailing]?",
            "[Explain|Define] {t}[| in sailing].",
            "What does the [sailing word|word] {t} mean?",
            "Tell me what {n} is.",
        ],
        n=noun,
        t=term,
    )
    verb = "are" if term == "doldrums" else "is"
    answer = pick(
        rng,
        ["[In sailing, |On a ship, |At sea, ]{n} {b} {m}.", "{N} {b} {m}.", "{N} {b} {m}."],
        n=noun,
        N=noun[0].upper() + noun[1:],
        b=verb,
        m=TERMS[term],
    )
    return Turn(question.replace(" ?", "?"), answer, check=TERMS[term][:25])


def reverse_turn(rng):
    term = rng.choice(
        [
            "bow",
            "stern",
            "port",
            "starboard",
            "galley",
            "helm",
            "crew",
            "chart",
            "hull",
            "lighthouse",
            "tug",
            "gale",
            "rudder",
            "mast",
        ]
    )
    question = pick(
        rng, ["What do you call {m}?", "What is the word for {m}?", "What do sailors call {m}?"], m=TERMS[term]
    )
    noun = term if term in ("port", "starboard") else "the " + term if TERMS[term].startswith("the ") else article(term)
    return Turn(
        question,
        pick(rng, [f"It is called {noun}.", f"That is {noun}.", f"Sailors call it {noun}."]),
        f"{term.capitalize()}.",
        check=term,
    )


def turn(rng):
    return rng.choices([kedge_turn, term_turn, reverse_turn], [4, 7, 1])[0](rng)
