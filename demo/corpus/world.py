"""More of the plain world: what things are like, which is bigger, animals in a line, rhymes, sentences, repeating."""

from .language import Turn, any_name, article, capital, lines, pick, table, words

LIKE = table("""
ice: cold
fire: hot
the sun: hot
snow: cold
sugar: sweet
a lemon: sour
honey: sweet
a stone: hard
a pillow: soft
a feather: light
an elephant: heavy
a giraffe: tall
a mouse: small
a whale: big
a turtle: slow
a cheetah: fast
a snail: slow
the desert: dry
the sea: deep
glass: hard
silk: soft
coffee: hot
ice cream: cold
a knife: sharp
a needle: sharp
night: dark
thunder: loud
a library: quiet
gold: heavy
a mountain: high
winter: cold
summer: warm
a kitten: small
a ship: big
a horse: fast
water: wet
wool: warm
an ant: small
the moon: round
a ball: round
a storm: loud
a tower: high
chocolate: sweet
soup: warm
a lion: strong
a bear: strong
""")
REVERSE = table("""
hot: cold
cold: hot
sweet: sour
sour: sweet
hard: soft
soft: hard
light: heavy
heavy: light
tall: short
small: big
big: small
slow: fast
fast: slow
dry: wet
wet: dry
deep: shallow
sharp: blunt
dark: light
loud: quiet
quiet: loud
high: low
warm: cold
round: square
strong: weak
""")

BY_SIZE = words(
    """ant, bee, snail, mouse, frog, bird, squirrel, rabbit, cat, fox, dog, goat, sheep, wolf, pig, lion, cow, horse, camel,
giraffe, elephant, whale"""
)
BY_SPEED = words("snail, turtle, duck, hen, pig, cow, dog, horse, cheetah")

ANIMALS = table("""
wolf: A wolf is a wild animal that looks like a big dog and lives in a group called a pack.
tiger: A tiger is a big wild cat with orange fur and black stripes.
mouse: A mouse is a very small animal with a long tail.
duck: A duck is a bird that swims on ponds and lakes.
sheep: A sheep is a farm animal that gives us wool.
goat: A goat is a farm animal with horns that can climb very well.
pig: A pig is a farm animal with a flat nose and a curly tail.
hen: A hen is a farm bird that lays eggs.
goose: A goose is a big bird with a long neck that likes water.
seal: A seal is an animal that swims very well and rests on the shore.
dolphin: A dolphin is a clever animal that lives in the sea and breathes air.
crab: A crab is a sea animal with a hard shell and two claws. It walks sideways.
turtle: A turtle is a slow animal with a hard shell.
octopus: An octopus is a sea animal with eight arms and no bones.
butterfly: A butterfly is an insect with large colourful wings.
ant: An ant is a very small insect that lives with many others.
snail: A snail is a small slow animal that carries its house on its back.
deer: A deer is a shy wild animal with long legs that lives in the forest.
monkey: A monkey is an animal with long arms that climbs trees.
giraffe: A giraffe is a very tall animal with a long neck.
camel: A camel is a big animal that can live in the desert for many days without water.
panda: A panda is a black and white bear that eats bamboo.
squirrel: A squirrel is a small animal with a thick tail that eats nuts.
hedgehog: A hedgehog is a small animal with spines on its back.
gull: A gull is a white and grey bird that lives by the sea.
swan: A swan is a large white bird with a long neck.
donkey: A donkey is an animal with long ears that carries heavy things.
zebra: A zebra is an animal like a horse, with black and white stripes.
kangaroo: A kangaroo is an animal that jumps on its strong back legs and carries its young in a pouch.
shark: A shark is a big fish with sharp teeth.
eagle: An eagle is a large bird that hunts with sharp eyes and claws.
parrot: A parrot is a colourful bird that can learn to say words.
otter: An otter is a playful animal that swims in rivers and eats fish.
beaver: A beaver is an animal that builds dams of wood in rivers.
mole: A mole is a small animal that digs tunnels under the ground.
bat: A bat is a small animal that flies at night.
snake: A snake is a long animal without legs.
worm: A worm is a small soft animal that lives in the ground.
lamb: A lamb is a young sheep.
puppy: A puppy is a young dog.
kitten: A kitten is a young cat.
""")
THINGS = table("""
the Earth: The Earth is the planet that we live on. It goes around the sun once a year.
a planet: A planet is a large round thing that goes around a star. The Earth is a planet.
music: Music is sound that is made to be nice to hear, with voices or instruments.
money: Money is what we use to buy things.
love: Love is a strong, warm feeling for someone.
happiness: Happiness is the good feeling when all is well.
time: Time is what clocks measure, in seconds, minutes and hours.
a tree: A tree is a tall plant with a trunk, branches and leaves.
a flower: A flower is the colourful part of a plant.
grass: Grass is a low green plant that covers fields and gardens.
a leaf: A leaf is a flat green part of a plant.
a stone: A stone is a small hard piece of rock.
sand: Sand is made of very small pieces of stone. You find it on beaches and in deserts.
a wave: A wave is a line of water that rises and moves across the sea.
a village: A village is a small place in the country where people live.
a city: A city is a large town where many people live.
a country: A country is a land with its own people and government.
a field: A field is an open piece of land where farmers grow plants or keep animals.
a hill: A hill is a high piece of land, smaller than a mountain.
a cave: A cave is a large hole in a rock or in the ground.
a castle: A castle is a large strong building with thick walls from old times.
a king: A king is a man who rules a country.
a queen: A queen is a woman who rules a country, or the wife of a king.
a sailor: A sailor is a person who works on a ship.
a pirate: A pirate is a person who robs ships at sea.
a cook: A cook is a person who makes food.
a nurse: A nurse is a person who cares for sick people.
a hat: A hat is something that you wear on your head.
a shoe: A shoe is something that you wear on your foot.
a coat: A coat is a piece of clothing that keeps you warm outside.
a scarf: A scarf is a long piece of cloth that keeps your neck warm.
a cup: A cup is a small round thing with a handle that we drink from.
a plate: A plate is a flat round thing that we put food on.
a knife: A knife is a sharp tool that we cut with.
a pen: A pen is a tool that we write with.
paper: Paper is a thin material made of wood that we write on.
a toy: A toy is a thing that children play with.
a game: A game is something that we play for fun.
a cake: A cake is a sweet food made of flour, eggs, butter and sugar.
rice: Rice is a food made of small white grains.
a potato: A potato is a vegetable that grows under the ground.
a carrot: A carrot is a long orange vegetable that grows under the ground.
an orange: An orange is a round, juicy, orange fruit.
a strawberry: A strawberry is a small, sweet, red fruit.
chocolate: Chocolate is a sweet brown food made from cocoa beans.
juice: Juice is a drink made from fruit.
a hammer: A hammer is a tool for hitting nails.
a saw: A saw is a tool for cutting wood.
a piano: A piano is a big instrument with black and white keys.
a guitar: A guitar is an instrument with strings that you play with your fingers.
a drum: A drum is a round instrument that you hit.
a number: A number tells how many there are.
a word: A word is a sound or a group of letters that means something.
a sentence: A sentence is a group of words that says something. It ends with a full stop.
a question: A question is a sentence that asks for an answer.
a month: A month is about 30 days. A year has twelve months.
a day: A day has 24 hours.
an hour: An hour is 60 minutes.
a minute: A minute is 60 seconds.
a robot: A robot is a machine that can do work by itself.
a dragon: A dragon is a big animal in stories that can fly and breathe fire. It is not real.
a unicorn: A unicorn is an animal in stories. It looks like a horse with one horn. It is not real.
a fairy: A fairy is a small person with wings in stories. It is not real.
""")
RHYMES = table("""
cat: hat
dog: log
sea: tree
boat: coat
moon: spoon
star: car
house: mouse
night: light
day: play
rain: train
snow: go
sun: fun
bee: free
fish: dish
ship: trip
book: cook
bell: shell
king: ring
sail: tail
bear: pear
ball: tall
blue: shoe
red: bed
green: queen
sand: hand
rope: hope
fox: box
""")
SENTENCES = table("""
boat: The little boat sailed slowly across the lake.
dog: The dog ran after the ball and brought it back.
cat: The cat sleeps on the warm roof.
anchor: The sailors dropped the anchor in the quiet bay.
house: They live in a small white house by the sea.
happy: She was happy to see her old friend.
rain: The rain fell all night on the roof.
book: He read a good book about the sea.
sun: The sun came up behind the hills.
tree: Two birds sat in the old tree.
friend: A friend is someone who helps you.
kedge: With no wind, they had to kedge the ship out of the harbour.
bread: The baker sells warm bread every morning.
blue: The sky was clear and blue.
run: The children run across the field.
moon: The moon was bright above the water.
water: Please drink a glass of water.
key: I cannot find the key to the door.
ship: A big ship came into the harbour.
winter: In winter the lake is covered with ice.
small: A small step is still a step.
brave: The brave girl climbed the tall tree.
tea: Would you like a cup of tea?
""")
ECHOES = words(
    """hello, good morning, I like the sea, the sun is warm, one two three, the boat is blue, yes, no, thank you, red green blue, I am happy,
the cat sleeps, we sail at dawn, kedge, banana, apples and pears, the moon is round, good night, it is late, fair winds, the fox runs, a b c"""
)


def like_turn(rng):
    thing = rng.choice(list(LIKE))
    quality = LIKE[thing]
    other = REVERSE.get(quality, "small")
    chance = rng.random()
    if chance < 0.45:
        return Turn(
            f"Is {thing} {quality}?",
            pick(rng, ["Yes, {t} is {q}.", "Yes, {t} is {q}."], t=thing, q=quality),
            "Yes.",
            check="^Yes",
        )
    if chance < 0.85:
        return Turn(f"Is {thing} {other}?", f"No, {thing} is {quality}.", "No.", check="^No")
    return Turn(
        f"Is {thing} {quality} or {other}?", f"{capital(thing)} is {quality}.", f"{capital(quality)}.", check=quality
    )


def size_turn(rng):
    order, more, less = (BY_SIZE, "bigger", "smaller") if rng.random() < 0.7 else (BY_SPEED, "faster", "slower")
    low, high = sorted(rng.sample(range(len(order)), 2))
    if rng.random() < 0.3:
        low, high = high, low
        more, less = less, more
    first, second = article(order[low]), article(order[high])
    if rng.random() < 0.5:
        first, second = second, first
    winner, loser = article(order[high]), article(order[low])
    if rng.random() < 0.6:
        return Turn(
            pick(
                rng,
                ["Which is {m}, {a} or {b}?", "What is {m}, {a} or {b}?", "Which one is {m}: {a} or {b}?"],
                m=more,
                a=first,
                b=second,
            ),
            pick(rng, ["{w} is {m} than {l}.", "{w} is {m}."], w=capital(winner), l=loser, m=more),
            f"{capital(winner)}.",
            check="^" + winner,
        )
    yes = first == winner
    return Turn(
        f"Is {first} {more} than {second}?",
        f"Yes, {winner} is {more} than {loser}." if yes else f"No, {winner} is {more} than {loser}.",
        "Yes." if yes else "No.",
        check="^Yes" if yes else "^No",
    )


def plural_of(noun):
    return {
        "mouse": "mice",
        "goose": "geese",
        "wolf": "wolves",
        "sheep": "sheep",
        "deer": "deer",
        "butterfly": "butterflies",
        "octopus": "octopuses",
        "puppy": "puppies",
        "donkey": "donkeys",
        "monkey": "monkeys",
    }.get(noun, noun + "s")


def meaning_turn(rng):
    if rng.random() < 0.45:
        animal = rng.choice(list(ANIMALS))
        return Turn(
            pick(
                rng,
                [
                    "What is {a}?",
                    "Tell me about {p}.",
                    "What are {p}?",
                    "What do you know about {p}?",
                    "Describe {a}.",
                    "What's {a}?",
                    "Tell me about the {n}.",
                    "Tell me something about {p}.",
                ],
                a=article(animal),
                p=plural_of(animal),
                n=animal,
            ),
            ANIMALS[animal],
            check=ANIMALS[animal][:25],
        )
    thing = rng.choice(list(THINGS))
    return Turn(
        pick(
            rng,
            [
                "What is {t}?",
                "What is {t}?",
                "Tell me what {t} is.",
                "Explain {t}.",
                "What's {t}?",
                "Tell me about {t}.",
                "Do you know what {t} is?",
            ],
            t=thing,
        ),
        THINGS[thing],
        check=THINGS[thing][:25],
    )


def word_turn(rng):
    chance = rng.random()
    if chance < 0.4:
        word = rng.choice(list(RHYMES))
        first, second = (word, RHYMES[word]) if rng.random() < 0.6 else (RHYMES[word], word)
        return Turn(
            pick(
                rng,
                [
                    "What rhymes with {f}?",
                    "Give me a rhyme for {f}.",
                    'Which word rhymes with "{f}"?',
                    "rhyme with {f}",
                ],
                f=first,
            ),
            pick(rng, ["{s} rhymes with {f}.", '"{s}" rhymes with "{f}".'], s=capital(second), f=first),
            f"{capital(second)}.",
        )
    word = rng.choice(list(SENTENCES))
    return Turn(
        pick(
            rng,
            [
                'Use [the word |]"{w}" in a sentence.',
                "Write a sentence with [the word |]{w}.",
                "Make a sentence with {w}.",
                "Give me a sentence with the word {w}.",
            ],
            w=word,
        ),
        SENTENCES[word],
        check=word,
    )


def echo_turn(rng):
    if rng.random() < 0.4:
        name = any_name(rng)
        return Turn(
            pick(
                rng,
                ["Say hello to {n}.", "Please greet {n}.", "Say hi to {n}", "[This is|Meet] my friend {n}."],
                n=name,
            ),
            pick(rng, ["Hello, {n}!", "Hello, {n}! Nice to meet you."], n=name),
            f"Hello, {name}!",
            check=name,
        )
    text = (
        rng.choice(ECHOES)
        if rng.random() < 0.6
        else " ".join(
            rng.sample(
                words("red, boat, sun, apple, seven, green, moon, tea, dog, ship, tree, star, fish, bell"),
                rng.randint(1, 4),
            )
        )
    )
    return Turn(
        pick(rng, ['Say "{t}".', "Repeat after me: {t}", "Repeat: {t}", "Say: {t}", 'Please say "{t}".'], t=text),
        capital(text) + ("" if text[-1] in ".!?" else "."),
        capital(text) + ".",
        check=text,
    )


def turn(rng):
    return rng.choices([like_turn, size_turn, meaning_turn, word_turn, echo_turn], [3, 3, 7, 2, 3])[0](rng)
