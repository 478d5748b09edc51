"""Short stories: a character, a place, a trouble, a friend and an end, told in many ways."""

from dataclasses import dataclass

from .language import BOYS, GIRLS, Turn, article, capital, lines, made_up_name, pick, table, words

ANIMALS = words(
    """fox, cat, dog, mouse, rabbit, bear, owl, frog, duck, goat, hedgehog, squirrel, wolf, lion, tiger, elephant, monkey,
horse, pony, cow, pig, sheep, lamb, hen, goose, swan, crow, gull, seal, whale, dolphin, crab, turtle, octopus, penguin, otter, beaver,
badger, mole, snail, bee, ant, butterfly, spider, bird, robin, parrot, donkey, camel, giraffe, zebra, panda, koala, kangaroo, deer,
kitten, puppy, fish, snake, lizard, bat, hamster, dragon, unicorn, dinosaur, monster, ghost, robot, giant, fairy, snowman"""
)
PEOPLE = words(
    """girl, boy, child, baker, sailor, fisherman, farmer, teacher, princess, prince, king, queen, knight, pirate, captain,
painter, gardener, cook, doctor, tailor, shepherd, lighthouse keeper, carpenter, miller, postman, clockmaker, wizard, witch, old man,
old woman, student, musician, shoemaker, explorer, astronaut, librarian"""
)
OBJECTS = words(
    """teapot, cloud, train, little boat, tree, lamp, toaster, star, balloon, kite, clock, bus, tractor, cup, pencil, umbrella,
anchor, bell, snowflake, leaf, stone, potato, pumpkin, chair, spoon, book, car, moon, computer, drum, sock, shoe, button, candle, cake"""
)
FEMALE = set(words("girl, princess, queen, witch, old woman, cow, hen, fairy"))
MALE = set(words("boy, fisherman, prince, king, knight, postman, wizard, old man, giant"))
TRAITS = words(
    """little, small, young, kind, brave, shy, curious, clever, quiet, cheerful, lazy, proud, friendly, gentle, busy, lonely, tiny,
careful, funny, patient, hungry, sleepy, grumpy, merry, honest, wise, happy, stubborn, dreamy, polite"""
)
PLACES = lines("""
in a small village by the sea
in a quiet forest
on a green hill
near a wide river
on a little island
in an old town with narrow streets
beside a blue lake
at the edge of a deep wood
in a valley between two mountains
in a harbour full of boats
on a farm with a red barn
in a house with a blue door
under an old oak tree
in a cold land of snow
in a garden full of roses
near a white lighthouse
in a busy city
at the foot of a tall mountain
in a cottage near the beach
on the other side of the hill
in a warm and sunny land
by a small pond
on a ship that sailed from port to port
in a castle with three towers
""")
WEATHER = lines("""
One [sunny|bright|warm|fine|cool|grey|rainy|windy|cold|quiet] [morning|day|afternoon]
One [summer|winter|spring|autumn] [morning|day|evening]
One day
One morning
It was a [Monday|Sunday|Friday] and the sun was shining. That day
Then, one [day|morning|evening]
Early one morning
""")
HABITS = lines("""
Every morning {he} [went for a walk|drank a cup of tea|opened the window and looked at the sky|sang a little song|counted the clouds].
{He} liked [warm soup|long walks|old songs|the sound of the rain|the smell of bread|to look at the stars|to tell stories|quiet evenings].
{He} had [a blue scarf|a red hat|a small lamp|a green coat|a little boat|a round stone that brought luck|a big heart] and [many friends|a good friend|a lot of time|a warm bed].
Everybody knew {him}, because {he} [always smiled|sang so well|told such good stories|was always late|helped everyone].
{He} was not very [big|strong|fast|rich], but {he} had a [good heart|warm smile|clever mind|lot of ideas].
Most of all, {he} loved [the sea|the moon|honey cakes|music|the summer|the smell of flowers|the wind].
""")
OPENINGS = lines("""
Once upon a time, there was {at} named {N} who lived {p}.
Once upon a time there lived {at} called {N} {p}.
There was once {at} called {N}. {He} lived {p}.
Long ago, {p}, there lived {at} named {N}.
This is the story of {N}. {N} was {at} who lived {p}.
{P}, there lived {at}. {His} name was {N}.
Once there was {at} named {N}, who lived {p}.
""")
ENDINGS = lines("""
From that day on, {N} and {F} were the best of friends.
And so {N} learned that [it is good to ask for help|a friend is worth more than gold|small steps can take you far|it is good to be kind|every day brings something new].
{N} went to bed that night with a [smile|warm heart|happy heart].
"[Thank you|Thank you, my friend]," said {N}. "[I will never forget this|You are a true friend|What a day]!"
And if you go there today, you may still see {N} and {F} [laughing|walking|sitting] together.
That evening they [ate soup together|shared a warm cake|sat by the fire and told stories|watched the stars] and were happy.
And they all lived happily ever after.
{N} smiled. [It had been a good day|It was the best day of the year|Everything was well again].
After that, {N} was never [lonely|sad|afraid] again.
The end.
""")
MORALS = {
    "help": "it is good to ask for help",
    "kind": "kindness comes back to you",
    "brave": "you can be afraid and brave at the same time",
    "patient": "good things need time",
    "honest": "it is best to tell the truth",
    "try": "you should never give up",
    "share": "what you share grows bigger",
    "friend": "a good friend is worth more than gold",
}

# One arc a paragraph: a name and its moral, then the beats in order, each with several ways to tell it.
ARCS = r"""
@lost try,help a lost {thing}
[{N} could not find {his} {thing}|{N} lost {his} {thing}|{his} {thing} was gone]. {He} looked under the bed, behind the door and [in the garden|in every box|under the table], but it was not there.
{N} was [very sad|worried|close to tears]. Then {F}, {af}, came by. "[Why are you so sad|What is wrong|What are you looking for]?" asked {F}. "I have lost my {thing}," said {N}.
"[Let us look together|I will help you|Two can look better than one]," said {F}. They looked [here and there|all day|high and low]. At last they found the {thing} [under a bush|behind a big stone|on top of the roof|in an old boot|beside the well|in a tree].
{N} [jumped for joy|laughed and danced|was so happy that {he} sang].

@dark brave the dark
{N} was afraid of the dark. When the sun went down, {he} [hid under a blanket|lit all the lamps|could not sleep|closed {his} eyes].
{F}, {af}, [heard about it|saw this] and said, "[Come with me|Come outside]. I want to show you something." {N} held {F}'s hand, and they went out into the night.
"Now look up," said {F}. There were [a thousand stars|more stars than {N} could count|stars everywhere], and the moon was [as bright as a lamp|round and white]. "Without the dark, we could not see them," said {F}.
{N} looked and looked. [The dark was not so bad after all|"It is beautiful," {he} said|{He} was not afraid any more].

@storm help a storm
A great storm came [over the sea|from the west|in the night]. The wind blew and the rain fell, and {N}'s [roof flew away|little house shook|window broke].
{N} ran [through the rain|down the road] to {F}, {af}. "[May I stay with you|Please let me in]?" asked {N}. "[Of course|Come in, come in]," said {F}, and gave {him} [a dry blanket|hot soup|a warm cup of tea].
They waited by the fire until the storm was over. In the morning the sky was blue, and together they [built a new roof|mended the house|cleared the garden].
The new [roof|house|garden] was [stronger|better|more beautiful] than before.

@calm patient,help a ship without wind
{N} set out in a small boat, but the wind [stopped|died away|fell asleep]. The sails hung down and the boat did not move.
{N} waited [all day|for hours|and waited]. Nothing happened. Then {F}, {af}, called from the shore, "[Use your kedge|Do you have a small anchor]!"
So {N} took the small anchor and [carried it ahead|threw it ahead] as far as {he} could. Then {he} pulled on the rope, and the boat moved. {He} lifted the anchor, threw it again, and pulled again.
Slowly, step by step, the boat came home. "No wind? No trouble," said {N} [with a laugh|and smiled].

@hungry share sharing
It was a hard winter and there was [little to eat|almost no food]. {N} had only [one loaf of bread|three apples|a small pot of soup|a bag of nuts].
There was a knock at the door. It was {F}, {af}, who was cold and hungry. {N} thought for a moment. Then {he} said, "[Come in|Sit down]. We will share what I have."
They ate together and told [stories|jokes] by the fire. The next day {F} came back with [a basket of food|honey and cheese|a cake], because [{F}'s family had sent it|a cousin had brought it].
"You shared with me, so I share with you," said {F}. Now there was enough for both.

@garden patient a garden
{N} wanted to grow [a sunflower|roses|a pumpkin|an apple tree|carrots]. {He} put the seeds in the soil and waited. After one day, nothing had come up. After two days, there was still nothing.
"[My garden does not work|These seeds are bad]," said {N}. {F}, {af}, laughed and said, "[Give it water and time|Seeds are slow, but they do not forget]."
So {N} gave the garden water every day. {He} sang to it and pulled out the weeds. [One week later|After many days], a small green leaf came out of the ground.
By the end of the summer the garden was full, and {N} gave [the first flower|half of it|a part of it] to {F}.

@sleep kind a night without sleep
{N} could not sleep. {He} [turned left and turned right|counted sheep up to one hundred|drank warm milk], but {he} was still awake.
So {he} went outside and met {F}, {af}. "I cannot sleep," said {N}. "[Neither can I|I know a song for that]," said {F}. 
They sat under the moon, and {F} sang a slow, soft song about the sea. {N} listened, and {his} eyes grew heavy.
Before the song was over, {N} was fast asleep. {F} [covered {him} with a blanket|smiled and went home on quiet feet].

@new friend a new friend
{N} was new [there|in the place] and did not know anyone. {He} sat alone and watched the others play.
{F}, {af}, came up to {him} and said, "Hello! [Do you want to play with us|Would you like to join us|What is your name]?" "{N}," said {N} in a small voice.
They played [ball|hide and seek|games] until the sun went down. {N} laughed more than {he} had laughed for a long time.
"Will you come again tomorrow?" asked {F}. "[Yes, I will|Of course]!" said {N}.

@bridge help a broken bridge
The bridge over the river broke, and nobody could [go to the market|cross the water|visit friends]. {N} tried to build a new one, but the wood was too heavy.
"I cannot do it alone," said {N}. {F}, {af}, heard this and called [all the others|the whole village]. Some brought wood, some brought ropes and some brought [soup|cake|nails].
They worked for [three days|a week|many days]. {N} showed them where to put each piece of wood. At last the new bridge was ready.
Everyone [cheered|clapped|danced on it]. And who was the first to cross it? {N} and {F}, of course.

@learn try learning to {skill}
{N} wanted to learn to {skill}. {He} tried once, but it [went wrong|did not work]. {He} tried again, and it went wrong again.
"[I will never learn it|It is too hard for me]," said {N}. But {F}, {af}, said, "[I could not do it at first, either|Nobody can do it on the first day]. Try a little every day."
So {N} practised every [morning|evening|day]. [First it was hard, then it was not so hard|Day after day it became a little easier].
[One day|At the end of the summer|After many weeks], {N} could {skill} very well. "[You did it|Look at you]!" said {F}.

@baby kind a lost {young}
{N} heard a small voice. Under a [bush|leaf|tree] sat a {young}, all alone. "I cannot find my mother," it [said|cried].
"[Do not cry|Do not worry]," said {N}. "We will find her." {N} asked {F}, {af}, who knew [every path|everyone]. "[I saw her by the river|I know where she is]," said {F}.
They carried the {young} [over the hill|across the field|through the grass] and called out loud. Soon the mother came running.
She was so happy that she [thanked them a hundred times|gave them a basket of berries|cried for joy].

@race kind a race
There was a race every year, and {N} wanted to win. {He} ran very fast and soon was [in front|ahead of all the others].
Then {he} saw {F}, {af}, who had fallen and hurt a foot. {N} stopped. "[Go on|Run]," said {F}, "or you will lose!" "[A race is only a race|You are more important]," said {N}.
So {N} helped {F} to stand up, and together they walked to the end. They were the last of all.
But everyone [clapped for them|cheered for them], and the two got [a prize for kindness|the biggest cake].

@cake honest a missing cake
There was a [beautiful|big|sweet] cake on the table, and it was for {F}, {af}. {N} wanted to taste only a little, but soon half of the cake was gone.
When {F} came, {F} asked, "Who ate my cake?" {N} looked at the floor. {He} wanted to say that it was [the wind|a mouse|somebody else].
But then {he} said, "It was me. I am very sorry." {F} was quiet for a moment and then [smiled|laughed]. "[Thank you for telling me the truth|It is good that you told me]," said {F}.
Together they baked a new cake, and it was even [better|bigger|sweeter] than the first.

@quarrel friend two friends who quarrel
{N} and {F}, {af}, were good friends, but that day they [had a quarrel|became angry] about {quarrel}.
{N} went home and did not speak. {F} went home, too. The day was long and [boring|quiet|empty] for both of them.
In the evening {N} thought, "What is {quarrel} without a friend?" {He} went out, and there was {F}, coming up the road. "I am sorry," they said at the same time.
Then they both laughed, and the quarrel was forgotten.

@journey try a journey to see the {wonder}
{N} had never seen the {wonder}, but {he} had heard [many stories|so much] about it. "[I will go and see it|One day I must see it]," said {N}, and packed a small bag.
On the way {he} met {F}, {af}. "[Where are you going|May I come with you]?" asked {F}. "To see the {wonder}," said {N}. "Come with me!"
They walked [for three days|over hills and through woods|through wind and rain]. They slept under the stars and shared their bread. Sometimes {N} wanted to turn back, but {F} said, "Only a little more."
And then they saw it: the {wonder}. It was [bigger|more beautiful] than all the stories. They sat down and looked at it for a long time without a word.

@stuck help,kind somebody stuck in the mud
{N} heard a cry for help. {F}, {af}, was stuck in [deep mud|a hole|a muddy ditch] and could not get out.
{N} pulled and pulled, but {he} was not strong enough. Then {he} had an idea. {He} ran home and came back with a long rope.
{He} tied one end to a tree and threw the other end to {F}. "[Hold on|Pull]!" called {N}. They pulled together, one, two, three, and out came {F}!
{F} was brown with mud from head to foot, and they both laughed [until it hurt|for a long time].

@birthday friend a birthday
It was {N}'s birthday, but nobody said anything. {He} waited [all morning|the whole day], and no one came. "They have forgotten me," thought {N}.
In the evening {F}, {af}, knocked at the door. "[Come with me|Come quickly]," said {F}, "I need your help." So {N} put on {his} coat and went along.
{F} led {him} to [the big barn|the old oak tree|the harbour]. It was dark there. Then many lamps were lit, and everyone called, "Happy birthday, {N}!"
There was cake and music, and {N} danced until [midnight|late in the night|the moon went down].

@noise brave a strange noise
In the middle of the night {N} heard a strange noise. Knock, knock, knock. {N} sat up in bed. "What can it be?" {he} thought. "[A monster|A thief|A ghost]?"
{His} heart beat fast, but {he} took {his} lamp and went to [the door|the window]. Knock, knock, knock. {He} took a deep breath and opened it.
It was only {F}, {af}, [with a hot pie|who had lost the key|who was afraid of the thunder]. "[I am sorry that I woke you|Did I scare you]," said {F}. "May I come in?"
They laughed about it all night, and {N} slept late the next day.

@coin honest a bag of gold
{N} found a bag of gold on the road. "[Now I am rich|I can buy a new house]," {he} thought. But then {he} saw a name on the bag. It was the name of {F}, {af}.
{N} thought about it [for a long time|all the way home]. Then {he} went to {F} and knocked. "I found this," said {N}. "I think that it is yours."
{F} could not believe it. "This is all that I have," said {F}. "[You are honest|Thank you]. Please take one coin." "[I do not need it|No, thank you]," said {N}. "But I would like a cup of tea."
So they drank tea together, and a friendship began that was worth more than gold.

@picnic friend a picnic in the rain
{N} and {F}, {af}, wanted to have a picnic. They packed bread, cheese and [apples|cake|lemonade]. But when they sat down, it began to rain.
"[Our day is lost|What a pity]," said {N}. "[Wait|No]," said {F}, "I have an idea." They ran [to the barn|under an old boat|into the kitchen] and put the blanket on the floor.
There they ate and drank and listened to the rain on the roof. It sounded like [a hundred little drums|music].
"This is the best picnic that I have ever had," said {N}.

@lamp brave,help a lighthouse
One night the lamp of the lighthouse went out, and a ship was coming [near the rocks|in from the sea]. {N} saw it from the window.
{He} ran up the stairs, all one hundred of them, but the lamp was broken. "[What can I do|The ship is in danger]!" cried {N}. {F}, {af}, came with [an old lantern|dry wood|a big bell].
Together they made a [fire on the hill|bright light] and waved and shouted. The ship saw [the light|them] and turned away just in time.
In the morning the captain came to thank them and gave them [a silver bell|a map of the world|a ride on the ship].

@slow patient,try the top of the hill
{N} wanted to go to the top of the hill, but {he} was [slow|small]. The others laughed and said, "You will never get there!"
But {N} [took one step, and then another|just went on]. {F}, {af}, walked beside {him}. "[Why do you not run|Are you not tired]?" asked {F}. "I have time," said {N}.
The others ran so fast that they were soon tired, and they had to [rest|turn back|sleep]. {N} did not stop.
When the sun went down, {N} and {F} stood on the top. They could see [the whole land|the sea|all the houses] below them.

@grumpy kind a grumpy neighbour
Next door lived {F}, {af}, who was always in a bad mood. "[Be quiet|Go away]!" {F} would shout when anyone [laughed|sang|came near].
The others were afraid of {F}, but {N} was not. {He} [made a pot of soup|picked some flowers|baked a cake] and knocked at {F}'s door. "This is for you," said {N}.
{F} did not know what to say. Nobody had ever brought {F} [a present|anything]. "[Thank you|Come in]," said {F} at last, with a very small smile.
After that {N} came every week, and {F} was [not grumpy any more|the first to laugh].

@star try a fallen star
{N} saw a star fall from the sky. It landed [in the field|behind the house|near the pond], and it was still shining. "[I want to go home|Please help me]," said the star in a thin voice.
{N} climbed the tallest tree, but it was not tall enough. {He} asked {F}, {af}, for help. {F} thought hard and said, "[The wind can carry it|We need a kite]."
So they [made a kite|took the biggest kite in town] and put the star on it. The wind took it up, higher and higher, until it was only a small light.
Now there is one star that [winks|shines a little brighter] when {N} looks up.

@song try,friend a lost song
{N} sang every day, but one morning {his} voice was gone. {He} opened {his} mouth, and no sound came out.
{F}, {af}, was worried and brought [honey and hot tea|warm milk|hot soup]. "[Rest for three days|Do not speak today]," said {F}. "I will sing for you."
{F} sang very badly, but {N} liked it all the same. {He} smiled and clapped {his} hands. On the [third|next] day {his} voice came back.
The first song that {N} sang was a song [about a good friend|for {F}].
"""

THINGS = words(
    "hat, kite, key, ball, scarf, spoon, map, book, lantern, bell, shoe, coat, drum, ring, boat, umbrella, watch, basket, glove, flute, pen, teapot, doll, cup"
)
SKILLS = words(
    "swim, sing, sail, bake, paint, dance, read, write, fly a kite, row a boat, play the flute, ride a bicycle, cook, juggle, skate, climb, whistle"
)
YOUNGS = words(
    "kitten, duckling, little bird, lamb, puppy, baby owl, baby rabbit, piglet, chick, fawn, baby seal, baby hedgehog"
)
WONDERS = words(
    "sea, moon lake, snow, big city, highest mountain, great waterfall, desert, northern lights, king's castle, oldest tree"
)


@dataclass
class Tale:
    """A finished story, with what questions about it need."""

    text: str
    name: str
    kind: str
    friend: str
    friend_kind: str
    place: str
    theme: str
    moral: str
    he: str


@dataclass
class Wish:
    """What a story must hold. What is not given is drawn."""

    kind: str = ""
    name: str = ""
    trait: str = ""
    friend_kind: str = ""
    place: str = ""
    arc: tuple = ()
    thing: str = ""
    short: bool = False


def parse_arcs(block):
    arcs = []
    for paragraph in block.strip().split("\n\n"):
        head, *beats = lines(paragraph)
        _, morals, theme = head.split(" ", 2)
        arcs.append((morals.split(","), theme, beats))
    return arcs


ALL_ARCS = parse_arcs(ARCS)
# What can be asked for after "a fox who ...", with the arc that tells it.
CLAUSES = table("""
lost {a_thing}: a lost {thing}
was afraid of the dark: the dark
could not sleep: a night without sleep
wanted to learn to {skill}: learning to {skill}
learns to {skill}: learning to {skill}
wanted to see the {wonder}: a journey to see the {wonder}
wanted to grow a garden: a garden
wanted to win a race: a race
found a bag of gold: a bag of gold
saw a star fall: a fallen star
had no friends: a new friend
found a lost {young}: a lost {young}
helped a {young}: a lost {young}
heard a strange noise: a strange noise
shared the last bread: sharing
lost his voice: a lost song
had a birthday: a birthday
had no wind: a ship without wind
""")
SLOT_WORDS = {"{thing}": THINGS, "{skill}": SKILLS, "{young}": YOUNGS, "{wonder}": WONDERS}


def any_kind(rng):
    chance = rng.random()
    if chance < 0.06:
        return made_up_name(rng).lower()
    return rng.choice(OBJECTS) if chance < 0.18 else rng.choice(ANIMALS + PEOPLE)


def gendered(rng, kind):
    if kind in FEMALE or kind in MALE:
        return kind in FEMALE
    return rng.random() < 0.5


def name_for(rng, female):
    return made_up_name(rng) if rng.random() < 0.2 else rng.choice(GIRLS if female else BOYS)


def hero(rng, wish):
    """Kind, name and whether the hero is a she."""
    kind = wish.kind or rng.choice(ANIMALS + PEOPLE)
    female = gendered(rng, kind)
    if wish.name in GIRLS + BOYS and kind not in FEMALE | MALE:
        female = wish.name in GIRLS
    return kind, wish.name or name_for(rng, female), female


def with_trait(kind, trait):
    return article(kind if kind.startswith(("old", "baby", "little")) or not trait else f"{trait} {kind}")


def beginning_of(rng, told, slots):
    """The first beat with its day and weather, where it can have them."""
    if told.startswith(("One ", "In the", "It was", "There was", "Next", f"{slots['N']} and ")):
        return capital(told)
    if not told.startswith(slots["N"]) and rng.random() < 0.25:
        return capital(told)
    keeps_capital = told.startswith(slots["N"])
    return pick(rng, WEATHER) + ", " + (told if keeps_capital else told[0].lower() + told[1:])


def in_paragraphs(opening, told, ending, names):
    """Beats in paragraphs that do not begin with a name: there it would be written with other tokens than in a line,
    which is hard on a small model."""
    paragraphs = [opening]
    for index, beat in enumerate(told + ending):
        breaks = index in (0, 2) and not beat.startswith(names)
        paragraphs.append(("\n\n" if breaks else " ") + beat)
    return "".join(paragraphs)


def tell(rng, wish=Wish()):
    """One story."""
    kind, name, female = hero(rng, wish)
    friend_kind = wish.friend_kind or rng.choice([other for other in ANIMALS + PEOPLE if other != kind])
    friend = name_for(rng, gendered(rng, friend_kind))
    while friend == name:
        friend = made_up_name(rng)
    morals, theme, beats = wish.arc or rng.choice(ALL_ARCS)
    place = wish.place or rng.choice(PLACES)
    he, him, his = ("she", "her", "her") if female else ("he", "him", "his")
    slots = {
        "N": name,
        "F": friend,
        "p": place,
        "P": capital(place),
        "he": he,
        "him": him,
        "his": his,
        "He": capital(he),
        "His": capital(his),
        "at": with_trait(kind, wish.trait or rng.choice(TRAITS)),
        "af": with_trait(friend_kind, rng.choice(["", "", rng.choice(TRAITS)])),
        "thing": wish.thing or rng.choice(THINGS),
        "skill": wish.thing or rng.choice(SKILLS),
        "young": wish.thing or rng.choice(YOUNGS),
        "wonder": wish.thing or rng.choice(WONDERS),
        "quarrel": rng.choice(["a ball", "a game", "a piece of cake", "a kite"]),
    }
    opening = pick(rng, OPENINGS, **slots)
    if not wish.short:
        opening += " " + " ".join(pick(rng, [habit], **slots) for habit in rng.sample(HABITS, rng.choice([0, 1, 1, 2])))
    told = [pick(rng, [beat], **slots) for beat in beats]
    told[0] = beginning_of(rng, told[0], slots)
    ending = [pick(rng, ENDINGS, **slots)] if rng.random() < 0.85 and not wish.short else []
    if wish.short or rng.random() < 0.4:
        body = " ".join([opening.strip(), *told, *ending])
    else:
        body = in_paragraphs(opening.strip(), told, ending, (name, friend))
    return Tale(body, name, kind, friend, friend_kind, place, theme.format(**slots), MORALS[rng.choice(morals)], he)


def filled_theme(rng, theme):
    """A theme with its slot filled, the arc that tells it, and what the slot was filled with."""
    arc = next(arc for arc in ALL_ARCS if arc[1] == theme)
    if "{" not in theme:
        return theme, arc, ""
    slot = theme[theme.index("{") : theme.index("}") + 1]
    thing = rng.choice(SLOT_WORDS[slot])
    return theme.replace(slot, thing), arc, thing


def wished(rng, short):
    """What follows "Tell me a story", and the wish that it stands for."""
    kind = any_kind(rng)
    name = name_for(rng, gendered(rng, kind))
    theme, arc, thing = filled_theme(rng, rng.choice(ALL_ARCS)[1])
    form = rng.randrange(13)
    if form <= 1:
        return "", Wish(short=short)
    if form <= 3:
        return f" about {article(kind)}", Wish(kind, short=short)
    if form == 4:
        return f" about {article(kind)} {rng.choice(['named', 'called'])} {name}", Wish(kind, name, short=short)
    if form == 5:
        return f" about {name}", Wish(name=name, short=short)
    if form == 6:
        trait = rng.choice(TRAITS)
        return f" about {with_trait(kind, trait)}", Wish(kind, trait=trait, short=short)
    if form == 7:
        friend_kind = rng.choice([other for other in ANIMALS + PEOPLE if other != kind])
        return f" about {article(kind)} and {article(friend_kind)}", Wish(kind, friend_kind=friend_kind, short=short)
    if form == 8:
        place = rng.choice(PLACES)
        return rng.choice([f" about {article(kind)} {place}", f" that happens {place}"]), Wish(
            kind, place=place, short=short
        )
    if form == 9:
        clause = rng.choice(list(CLAUSES))
        theme, arc, thing = filled_theme(rng, CLAUSES[clause])
        clause = clause.replace("{a_thing}", "a " + thing if rng.random() < 0.5 or thing[:1] in "u" else "the " + thing)
        for slot in SLOT_WORDS:
            clause = clause.replace(slot, thing)
        return f" about {article(kind)} who {clause}", Wish(kind, arc=arc, thing=thing, short=short)
    if form == 10:
        return f" about {theme}", Wish(arc=arc, thing=thing, short=short)
    if form == 11:
        return f" about {article(kind)} and {theme}", Wish(kind, arc=arc, thing=thing, short=short)
    return f" about {article(kind)} {rng.choice(['named', 'called'])} {name} and {theme}", Wish(
        kind, name, arc=arc, thing=thing, short=short
    )


def request(rng):
    """A question for a story and the tale that it asks for."""
    short = rng.random() < 0.25
    size = (
        rng.choice(["short ", "very short ", "little "])
        if short
        else rng.choice(["", "", "", "nice ", "long ", "good ", "bedtime "])
    )
    ask = pick(
        rng,
        [
            "Tell me a {s}story",
            "Tell me a {s}story",
            "Write a {s}story",
            "Can you tell me a {s}story",
            "Please tell me a {s}story",
            "I want a {s}story",
            "A {s}story",
            "Tell a {s}story",
            "I would like to hear a {s}story",
            "Write me a {s}story",
            "Could you write a {s}story",
            "Give me a {s}story",
            "Tell us a {s}tale",
            "Make up a {s}story",
        ],
        s=size,
    )
    what, wish = wished(rng, short)
    if not what and rng.random() < 0.25:
        ask = rng.choice(
            [
                "story",
                "Story time",
                "Once upon a time",
                "A story please",
                "I want to hear something nice",
                "Tell me a tale",
            ]
        )
    return ask + what, tell(rng, wish)


def questions_about(rng, tale):
    """Questions whose answers stand in the story itself."""
    friend_asks = [
        "Who helped {n}?",
        "Who was the friend?",
        "What was the friend's name?",
        "What is the name of {n}'s friend?",
    ]
    has_friend = tale.friend in tale.text
    choices = [
        (
            [
                "What was the name of the {k}?",
                "What is the {k} called?",
                "What was the {k}'s name?",
                "Who is the story about?",
                "Who is the hero?",
            ],
            ["The {k} is called {n}.", "The name of the {k} is {n}.", "It is about {n}, the {k}."],
            tale.name,
        ),
        (
            ["Where did {n} live?", "Where does the story take place?", "Where was that?"],
            ["It was {p}.", "We read that {n} lived {p}."],
            tale.place,
        ),
        (
            [
                "What did {n} learn?",
                "What is the moral of the story?",
                "What does the story teach us?",
                "What can we learn from it?",
            ],
            ["The story shows that {m}.", "We see that {m}.", "We learn that {m}."],
            "",
        ),
        (
            ["What is the story about?", "What was it about?", "Give the story a title.", "Sum it up in one sentence."],
            ["It is about {n} the {k} and {t}.", "It tells of {n} the {k} and {t}."],
            tale.name,
        ),
    ]
    if has_friend:
        choices.append(
            (
                friend_asks,
                ["That was {f}, the {fk}.", "It was {f}, the {fk}.", "The friend is called {f}."],
                tale.friend,
            )
        )
        choices.append(
            (
                ["What kind of [animal or person|creature] is {f}?", "Who is {f}?", "What is {f}?"],
                ["That is {afk}.", "In the story, {f} is {afk}."],
                tale.friend_kind,
            )
        )
    asks, answers, check = rng.choice(choices)
    slots = {
        "n": tale.name,
        "k": tale.kind,
        "p": tale.place,
        "m": tale.moral,
        "t": tale.theme,
        "f": tale.friend,
        "fk": tale.friend_kind,
        "afk": article(tale.friend_kind),
    }
    answer = pick(rng, answers, **slots)
    return Turn(pick(rng, asks, **slots), capital(answer), capital(answer), check=check)


ANOTHER = [
    "[Another one|Another story|One more|Tell me another one|Again|Another one please|More|Another|One more story please]",
    "[Nice|Great|That was nice|I like it|Lovely|Thank you], [another one|tell me another|one more please]",
]


def turn(rng):
    question, tale = request(rng)
    if not question.endswith(("story", "time")) or rng.random() < 0.3:
        question += rng.choice([".", ".", "", "?" if question.startswith(("Can", "Could")) else "."])
    answer = tale.text
    if rng.random() < 0.12:
        answer = f"**The story of {tale.name} the {' '.join(map(capital, tale.kind.split()))}**\n\n{answer}"
    follow_ups = [questions_about(rng, tale)]
    chance = rng.random()
    if chance < 0.2:
        second = tell(rng)
        follow_ups = [Turn(pick(rng, ANOTHER), second.text)] + [questions_about(rng, second)]
    elif chance < 0.35:
        second = tell(rng, Wish(tale.kind, tale.name))
        follow_ups.append(
            Turn(
                pick(
                    rng,
                    [
                        "Another [story|one] about {n}[|, please]",
                        "Tell me more about {n}",
                        "What did {n} do the next day?",
                        "What happened next?",
                    ],
                    n=tale.name,
                ),
                second.text,
            )
        )
    return Turn(question, answer, follow_ups=follow_ups)


def plain_text(rng):
    return tell(rng).text
