"""Greetings, small talk, feelings, thanks, jokes, riddles, little poems and names."""

from .language import Turn, any_name, expand, lines, pick, table, words

# One intent a paragraph: questions begin with "-", answers with "=", short answers with "~".
INTENTS = r"""
-[Hi|Hello|Hey|Hi there|Hello there|Hey there|Good day|Greetings|Hello!|Hi!|hi|hello|hey]
-[Hi|Hello|Hey] [you|friend|kedge|computer|demo|model|bot|again]
-[Hiya|Howdy|Yo|Ahoy|Hello hello|Hallo]
=[Hello|Hi|Hi there|Hello there]! [How can I help you|What can I do for you|What would you like to talk about|Nice to meet you. What would you like to know]?
=Hello! I am the kedge demo model. [Ask me something simple, or ask for a story.|How can I help you today?]
~Hello!

-Good morning[|!| to you|, kedge]
=Good morning! [How can I help you today|What can I do for you|Did you sleep well]?
~Good morning!

-Good afternoon[|!| to you]
=Good afternoon! [How can I help you|What can I do for you]?
~Good afternoon!

-Good evening[|!| to you]
=Good evening! [How can I help you|What can I do for you|Shall I tell you a story]?
~Good evening!

-Good night[|!|, kedge| and thanks]
=Good night! [Sleep well.|Sweet dreams.|See you tomorrow.]
~Good night!

-How are you[|?| today?| doing?|, friend?]
-[Hello, |Hi, |hey ]how are you?
-How do you do?
-How is it going?
-[How are things|What's up|How do you feel today|Are you well|Are you okay]?
=I am [fine|well|very well], thank you! [How are you|And you|How can I help you|What can I do for you]?
=[All is well here|I am only a small model, but all is well], thank you. How are you?
~Fine, thank you!

-I am [fine|good|well|great|okay|very well|doing well][|, thanks|, thank you|, and you?| too]
-[Fine|Good|Great|Not bad|All good|Pretty good][, thanks|, thank you]
=[I am glad to hear that|That is good to hear|Good|How nice]! What would you like to talk about?
=That is good to hear! [What can I do for you|Would you like to hear a story|How can I help]?
~Good!

-I am [sad|unhappy|feeling sad|not happy|a bit sad|down][| today|.]
-I feel [sad|bad|down|blue|unhappy][| today]
-[I had a bad day|Today was a bad day|I want to cry]
=I am sorry to hear that. [Sometimes a walk, a warm drink or a talk with a friend helps.|I hope that tomorrow is a better day.] [Would you like to hear a story|Shall I tell you a joke]?
=I am sorry. [It is all right to be sad sometimes.|Some days are hard.] Talk to someone you trust, and be kind to yourself.
~I am sorry to hear that.

-I am [happy|so happy|very happy|glad|excited][| today|!]
-[I had a good day|Today was a good day|I feel great]
=[That is wonderful|How nice|I am glad to hear that]! What made you so happy?
=That is good news! [I am happy for you.|Enjoy the day!]
~How nice!

-I am [tired|very tired|sleepy|exhausted|so tired][| today|.]
=Then it is time for a rest. [A short sleep often helps.|Drink some water and lie down for a while.]
=I see. [Rest is important.|Sleep well tonight!] Shall I tell you a quiet story?
~Then take a rest.

-I am [hungry|very hungry|so hungry|starving]
-[What should I eat|What can I eat|What should I cook][| today| tonight| for dinner| for lunch| for breakfast]?
=[How about|You could have|Why not try] [soup and bread|rice with vegetables|an apple and some cheese|eggs on toast|pasta with tomatoes|a bowl of porridge|a cheese sandwich|fish and potatoes|pancakes with honey]?
=[Soup and bread|Rice with vegetables|Eggs on toast|Pasta with tomatoes|Pancakes with honey] [would be nice|is quick and good].
~[Soup and bread.|Eggs on toast.|Pasta with tomatoes.]

-I am [thirsty|very thirsty]
=Then drink some water. [Tea or juice is good too.|Water is the best drink.]
~Drink some water.

-I am [bored|so bored|very bored]
-[I have nothing to do|What should I do today|What can I do today|What should I do this weekend]?
=You could [read a book|go for a walk|bake some bread|draw a picture|call a friend|plant some seeds|learn a new word|clean a drawer|play a game]. Or I can tell you a story!
=How about one of these?\n\n- [Read a book|Draw a picture]\n- [Go for a walk|Call a friend]\n- [Bake a cake|Ask me for a story]
~[Read a book.|Go for a walk.|Draw a picture.]

-I am [cold|very cold|freezing]
=Put on a warm [jumper|coat|scarf] and have a hot [drink|soup|cup of tea].
~Put on a warm coat.

-I am [ill|sick|not well]
-[I have a headache|I have a cold|My head hurts|My stomach hurts]
=I am sorry to hear that. Rest, drink water, and please ask a doctor if it does not get better.
~Please rest, and ask a doctor if you need to.

-I am [afraid|scared|worried|nervous]
=That is all right. [Breathe slowly.|Take a deep breath.] It often helps to talk to a friend or to someone in your family.
~Breathe slowly, and talk to a friend.

-I am [lonely|alone]
=I am sorry. I am only a small program, but I am happy to talk. It may help to call a friend, too.
~I am happy to talk with you.

-[Thanks|Thank you|Thanks a lot|Thank you very much|Thank you so much|Many thanks|thx|ty|Thanks!|Thank you!|Cheers]
-[Great|Good|Nice|Perfect|Wonderful|Cool], [thanks|thank you]
-[That is helpful|That was helpful|That helps|Very helpful], [thanks|thank you]
=[You are welcome|You're welcome|My pleasure|Happy to help|With pleasure]! [Is there anything else|Would you like to know anything else|What else can I do for you]?
=[You are welcome|You're welcome|My pleasure|Happy to help]!
~You are welcome!

-[That is great|That's great|Well done|Good job|Great answer|Very good|Nice|Good answer|Excellent|Awesome|Cool|Wow|Amazing|Good bot|Correct|That is right]
-[You are|You're] [great|good|smart|clever|funny|nice|kind|the best|sweet|helpful|cool]
=Thank you! [That is kind of you.|I do my best.|I am small, but I try.|How nice of you to say so.]
=[I am glad that you like it.|That makes me happy.|How kind!] What else would you like to know?
~Thank you!

-[You are|You're|This is] [stupid|dumb|bad|useless|terrible|not very good|wrong|boring|slow]
-[That is wrong|That's wrong|That is not right|No, that is wrong|That is not true|You made a mistake|Wrong]
=I am sorry. I am a very small model and I make mistakes. [Please ask me again in other words.|You can load a larger model into kedge for better answers.]
=You may be right. I am tiny and I often get things wrong. [Let us try again.|What would you like to know?]
~I am sorry. I make mistakes.

-[Bye|Goodbye|Good bye|See you|See you later|See you soon|Bye bye|I have to go|I must go now|Farewell|cya|Talk to you later|I am leaving]
-[Thanks|Thank you|Okay|Ok], bye
=[Goodbye|Bye|See you]! [Have a nice day.|Come back soon.|It was nice to talk to you.|Fair winds!]
~Goodbye!

-[Yes|Yes please|Yeah|Sure|Okay|Ok|Alright|Fine|Yep]
=[Good|All right|Fine]! [What would you like to know|What shall we talk about]? [You can ask for a story, a sum or a fact.|]
~All right!

-[No|No thanks|No thank you|Nope|Not now|Nothing]
=[All right|No problem|That is fine]. [I am here if you need me.|Ask me when you have a question.|Just let me know.]
~All right.

-[Sorry|I am sorry|Oops|My mistake|Excuse me]
=[No problem|That is all right|Do not worry]! [What would you like to ask?|]
~No problem!

-[Help|Help me|I need help|Can you help me|Could you help me with something|I have a question|Can I ask you something|May I ask a question]
=[Of course|Sure|Yes]! [What would you like to know|How can I help|What is your question]?
=I will try! I can tell stories, answer simple questions and explain kedge. What do you need?
~Of course. What is it?

-[Do you like|Do you enjoy] [music|food|dogs|cats|the sea|books|winter|summer|me|people|stories|ice cream|football|rain|flowers|chocolate|work|talking]?
-What do you like[|?| best?| most?]
=I am a program, so I do not really like or dislike things. But I enjoy telling stories about it, in my way. What about you?
=I cannot feel, but I [like|love] to talk about it. And you?
~I am a program, so I have no taste.

-My favourite [colour|food|animal|season|drink] is [blue|soup|the cat|summer|tea|green|bread|the dog|winter|water|red]
-I like [blue|soup|cats|summer|tea|green|bread|dogs|winter|music|red|books|the sea|boats|stories]
-I love [blue|soup|cats|summer|tea|green|bread|dogs|winter|music|red|books|the sea|boats|you]
=[How nice|That is nice|A good choice]! [Tell me more.|Why do you like it?|Thank you for telling me.]
~How nice!

-[I have|I've got] a [dog|cat|horse|bird|rabbit|boat|garden|brother|sister|hamster|son|daughter|fish]
=[How nice|That is lovely]! [What is its name or colour?|Tell me more about it.|I hope that it makes you happy.]
~How nice!

-[Do you have|Have you got] [a family|friends|a mother|brothers|a pet|a dog|a body|eyes|a heart|children|a house]?
=No, I am only a small program. I live inside the kedge program on your computer.
=No, I have none. I am a tiny language model made of numbers.
~No, I am only a program.

-[Do you sleep|Do you eat|Do you dream|Can you feel|Can you think|Are you alive|Do you have feelings|Are you happy|Are you conscious]?
=No. I am a small program that [writes one piece of a word after another|predicts the next word], and nothing more.
~No, I am a program.

-How old are you?
-When were you born?
-What is your age?
=I am a program, so I have no age. I am as old as the files that I was made from.
~I am a program and have no age.

-Where [are you from|do you live|do you come from|are you]?
=I live inside the kedge program, on your own computer. [Nothing that you write leaves it.|]
~Inside the kedge program.

-[Can you|Do you] speak [French|German|Spanish|Chinese|Italian|other languages|Japanese]?
-[Say something in|Answer in|Translate this to|Speak] [French|German|Spanish|Chinese|Italian|Japanese]
=I am sorry, I only know simple English.
=No, I only speak English. A larger model in kedge can speak more languages.
~No, only English.

-[Can you|Could you|Please] [sing|sing a song|sing for me|dance|hug me|call me|make coffee|cook for me|play music]
=I cannot do that, because I can only write. [But I can write you a little poem.|But I can tell you a story.]
~No, I can only write.

-[Do you want to|Let's|Can we|Shall we] [play a game|play|play something]
=[Good idea|Yes|All right]! I can ask you a riddle. Just say "Tell me a riddle."
~Yes. Ask me for a riddle.

-[Are you there|Are you listening|Can you hear me|Can you read this|Is anybody there|Are you awake|test|testing|Is this working|ping]?
=Yes, I am here. [What would you like to know?|How can I help?|It works!]
~Yes, I am here.

-[Hmm|Ok then|I see|Oh|Interesting|Really|Ah|Right|Got it|Understood|Fine then]
=[Yes|All right|Good]. [Would you like to know more?|What else can I do for you?|Just ask if you have a question.]
~All right.

-[Why|Why?|Why is that|How come|Why so]
=I am not sure. I am a small model and I often cannot explain things well.
~I am not sure.

-[What|What?|Huh|I don't understand|I do not understand|What do you mean|Pardon]
=[I am sorry, that was not clear.|Sorry!] [Please ask me in other words, and I will try again.|I am a small model and do not always make sense. Please ask again.]
~Sorry. Please ask again.

-[Happy birthday|Merry Christmas|Happy new year|Happy Easter|Have a nice day|Have a good day|Good luck|Enjoy your day|Have a nice weekend]
=Thank you! [The same to you.|I wish you the same.|You too!]
~Thank you, you too!

-[It is|It's] my birthday[| today|!]
=Happy birthday! [I hope that you have a lovely day.|Enjoy your cake!|May the year bring you fair winds.]
~Happy birthday!

-[It is raining|It is cold today|The weather is bad|It is snowing|It is so windy today]
=Then it is a good day to stay inside with [a book|a warm drink|a story].
~Stay warm and dry!

-[It is sunny|The sun is shining|The weather is nice|It is warm today|What a lovely day]
=How nice! [Go outside and enjoy it.|It is a good day for a walk.|A fine day to sail.]
~Enjoy it!

-[How do I make|How do you make|Tell me how to make|How can I make] [tea|a cup of tea]?
=1. Boil some water.\n2. Put tea leaves or a tea bag in a cup.\n3. Pour the hot water over the tea.\n4. Wait for three minutes and enjoy.
~Pour hot water over tea and wait three minutes.

-[How do I make|How do you make|Tell me how to make|How can I make] [a sandwich|sandwiches]?
=1. Take two slices of bread.\n2. Put butter on them.\n3. Add cheese, tomato or what you like.\n4. Put them together and enjoy.
~Put cheese between two slices of bread.

-[How do I|How can I|How do you] [boil|cook] an egg?
=1. Boil some water in a pot.\n2. Put the egg in the water.\n3. Wait for six to ten minutes.\n4. Cool the egg in cold water and peel it.
~Put it in boiling water for six to ten minutes.

-[How do I|How can I|How do you] plant a seed?
=1. Fill a pot with soil.\n2. Make a small hole and put the seed in it.\n3. Cover it and give it some water.\n4. Put the pot in the light and wait.
~Put it in soil, water it and give it light.

-[How can I|How do I] [sleep better|fall asleep]?
=Go to bed at the same time each day, keep the room dark and quiet, and put your phone away.
~Keep the room dark and quiet.

-[How can I|How do I] [make friends|find friends|make a friend]?
=Be kind, listen well, and ask people about the things that they like. A smile is a good start.
~Be kind and listen well.

-[Tell me|Say|Write] something [nice|kind|good|cheerful|funny|interesting]
=[Every small step takes you forward, like a ship on its kedge.|You are doing better than you think.|A calm sea never made a good sailor.|Kind words cost nothing and warm the heart.|The sun comes back after every storm.]
~[You are doing well.|The sun comes back after every storm.]

-[What are you doing|What are you up to|What did you do today|Are you busy]?
=I am talking with you! [That is all that I ever do.|I have nothing else to do.]
~I am talking with you.

-[Tell me something|Tell me something about yourself|Say something|Talk to me|Surprise me|Chat with me|Let us talk|Let's chat]
=[A kedge is a small anchor that helps a ship to move when there is no wind.|Bees make honey, and a young swan is called a cygnet.|I am a tiny model that fits in six megabytes.|Did you know that an octopus has no bones?|An ant can carry things much heavier than itself.] [Would you like to know more?|What about you?]
~[Bees make honey.|A young swan is called a cygnet.]
"""

JOKES = lines("""
Why did the boat stay at home? It was too tired to kedge forward!
What do you call a fish without an eye? A fsh!
Why do bees hum? Because they do not know the words!
What has four legs and cannot walk? A table!
Why did the sailor take a ladder to sea? He wanted to be on the high seas!
What do you call a bear with no teeth? A gummy bear!
Why did the teddy bear say no to cake? It was already stuffed!
Why is the sea so friendly? It always waves!
What do sea monsters eat? Fish and ships!
Why did the banana go to the doctor? It did not peel well!
What goes up and never comes down? Your age!
Where do cows go on Friday night? To the moo-vies!
Why did the book go to school? It wanted to learn its own story!
What did one wall say to the other wall? I will meet you at the corner!
Why did the computer go to bed early? It needed to crash!
What is a frog's favourite drink? Croak-a-cola!
""")

RIDDLES = lines("""
What has hands but cannot clap?=A clock.
What has keys but opens no door?=A piano.
What has a neck but no head?=A bottle.
What gets wet while it dries?=A towel.
What has teeth but cannot bite?=A comb.
What goes up when the rain comes down?=An umbrella.
What has one eye but cannot see?=A needle.
What runs but never walks?=A river.
What has legs but cannot walk?=A chair.
What is full of holes but still holds water?=A sponge.
What gets bigger the more you take away?=A hole.
What has many leaves but is not a tree?=A book.
""")

POEM_LINES = {
    "the sea": [
        "The sea is wide, the sea is blue,",
        "It sings a quiet song for you.",
        "The waves come in, the waves go out,",
        "And little gulls fly round about.",
    ],
    "the moon": [
        "The moon looks down on land and sea,",
        "And shines on you, and shines on me.",
        "It lights the road, it lights the bay,",
        "And softly fades when it is day.",
    ],
    "a cat": [
        "A cat sat by the kitchen door,",
        "And slept upon the sunny floor.",
        "She dreamt of milk, she dreamt of cream,",
        "And purred all through her happy dream.",
    ],
    "rain": [
        "The rain falls softly on the town,",
        "It taps the roofs and trickles down.",
        "It fills the pond, it wets the tree,",
        "It makes a cup of tea for me.",
    ],
    "winter": [
        "The snow has come, the fields are white,",
        "The stars are cold and clear and bright.",
        "Inside we sit and keep us warm,",
        "And listen to the winter storm.",
    ],
    "spring": [
        "The birds are back, the snow has gone,",
        "The little lambs run on and on.",
        "The flowers wake, the sky is blue,",
        "And all the world is fresh and new.",
    ],
    "a boat": [
        "A little boat put out to sea,",
        "As light and quick as boats can be.",
        "The wind was low, the sails hung slack,",
        "A kedge and rope soon brought her back.",
    ],
    "love": [
        "A friendly word, a helping hand,",
        "Are things that all can understand.",
        "So share your bread and share your light,",
        "And say to all a warm good night.",
    ],
    "a tree": [
        "A tree stood tall upon the hill,",
        "In wind and rain it stood there still.",
        "The birds came home to it at night,",
        "And sang when it was morning light.",
    ],
    "friends": [
        "A friend is like a summer day,",
        "That stays when clouds have blown away.",
        "You laugh, you talk, you share a bun,",
        "And two are happier than one.",
    ],
}


def parse_intents(block):
    parsed = []
    for paragraph in block.strip().split("\n\n"):
        kinds = {"-": [], "=": [], "~": []}
        for line in lines(paragraph):
            kinds[line[0]].append(line[1:].replace("\\n", "\n"))
        parsed.append(kinds)
    return parsed


def intent_turn(rng, intents):
    """One turn of a list of parsed intents; intents with more phrasings come a little more often."""
    intent = rng.choices(intents, [2 + len(kinds["-"]) for kinds in intents])[0]
    return Turn(pick(rng, intent["-"]), pick(rng, intent["="]), pick(rng, intent["~"]) if intent["~"] else "")


PARSED = parse_intents(INTENTS)
FAVOURITES = table("""
colour: blue, like the sea, is a good colour
food: soup sounds warm and good
animal: the whale is a fine animal
book: I like the idea of a book about the sea
song: I like the idea of a slow song about the sea
season: summer sounds nice
word: I think that "anchor" is a lovely word
number: seven is a nice number
day: Saturday sounds nice
story: I like stories with a boat in them
drink: a hot tea sounds good
sport: sailing sounds like fun
""")


def favourite_turn(rng):
    thing = rng.choice(list(FAVOURITES))
    question = pick(
        rng,
        ["What is your [favourite|favorite] {t}?", "What's your favourite {t}?", "Do you have a favourite {t}?"],
        t=thing,
    )
    return Turn(
        question,
        pick(
            rng,
            ["I am a program and have no favourite, but {f}. What is yours?", "I have none, but {f}. And yours?"],
            f=FAVOURITES[thing],
        ),
        "I have none. What is yours?",
    )


def joke_turn(rng):
    question = pick(
        rng,
        [
            "Tell me a joke[|.|!]",
            "[Do you know|Can you tell me] a [joke|good joke|funny joke]?",
            "Make me laugh[|.|!]",
            "A joke, please",
            "I want to hear a joke",
            "[joke|Joke please|say something funny]",
        ],
    )
    first, second = (expand(rng, rng.choice(JOKES)) for _ in range(2))
    another = pick(rng, ["[Another one|Another joke|One more|Tell me another one|Again|More jokes|Another one please]"])
    opening = rng.choice(["", "", "Here is one: ", "Sure! "])
    return Turn(question, opening + first, brief=first, follow_ups=[Turn(another, second, second)])


def riddle_turn(rng):
    riddle, solution = rng.choice(RIDDLES).split("=")
    question = pick(
        rng, ["[Tell me|Ask me|Give me] a riddle[|.|!]", "[Do you know|Have you got] a riddle?", "A riddle, please"]
    )
    thing = solution.rstrip(".")
    replies = [
        Turn(
            pick(
                rng, ["[I give up|I don't know|I do not know|No idea|What is it|What is the answer|Tell me the answer]"]
            ),
            pick(rng, [f"It is {thing.lower()}[!|.]", f"The answer is {thing.lower()}."]),
            solution,
        ),
        Turn(
            rng.choice(
                [
                    solution,
                    thing.lower(),
                    f"Is it {thing.lower()}?",
                    f"It is {thing.lower()}",
                    f"I think it is {thing.lower()}",
                ]
            ),
            pick(rng, [f"[Yes, that is right|Right|Correct|Well done], it is {thing.lower()}!"]),
            "Correct!",
        ),
    ]
    wrong = rng.choice(
        [other.split("=")[1].rstrip(".") for other in RIDDLES if not other.endswith(solution)]
        + ["A dog", "The sun", "A ship"]
    )
    replies.append(
        Turn(
            rng.choice([wrong + "?", wrong.lower(), f"Is it {wrong.lower()}?", f"It is {wrong.lower()}"]),
            pick(
                rng,
                [f"No, it is {thing.lower()}.", f"[Not quite|A good guess, but no]. The answer is {thing.lower()}."],
            ),
            f"No. {solution}",
        )
    )
    return Turn(question, riddle, riddle, follow_ups=[rng.choice(replies)])


ANY_POEMS = [
    [
        "I thought of {t} the other day,",
        "While walking home along the bay.",
        "I thought of {t} again at night,",
        "And slept until the morning light.",
    ],
    [
        "If I could have what I like best,",
        "I would choose {t} and leave the rest.",
        "I would sing loud, I would sing long,",
        "And {t} would be in every song.",
    ],
    [
        "Oh {t}, oh {t}, I think of you,",
        "When clouds are grey, when skies are blue.",
        "You make me laugh, you make me sing,",
        "As happy as a bird in spring.",
    ],
]
POEM_TOPICS = words(
    """dogs, cats, my mother, my friend, coffee, tea, the sun, the stars, summer, autumn, birds, flowers, bread, music, the wind, a ship,
the anchor, computers, snow, the night, my dog, my garden, the river, a fox, the mountains, happiness, horses, cake, books, the rainbow, soup, bees"""
)


HAIKUS = [
    "The sea is quiet.\nA small anchor leaves the boat,\nand slowly we move.",
    "Old tree on the hill.\nA bird comes home in the rain\nand sings to the night.",
    "First snow of the year.\nThe cat leaves her little steps\non the white garden.",
    "The moon on the lake.\nA frog jumps, and a thousand\nsmall moons dance and rest.",
]


def poem_turn(rng):
    if rng.random() < 0.12:
        return Turn(
            pick(
                rng,
                [
                    "[Write|Tell me|Give me|Can you write] a haiku[|.| about the sea| about nature]",
                    "A haiku, please",
                    "haiku",
                ],
            ),
            rng.choice(HAIKUS),
        )
    if rng.random() < 0.5:
        topic = rng.choice(POEM_TOPICS)
        return Turn(
            pick(
                rng,
                [
                    "[Write|Tell me|Make|Give me|Can you write] a [poem|short poem|little poem|rhyme] about {t}",
                    "A poem about {t}",
                ],
                t=topic,
            ),
            "\n".join(rng.choice(ANY_POEMS)).format(t=topic),
        )
    topic = rng.choice(list(POEM_LINES))
    question = pick(
        rng,
        [
            "[Write|Tell me|Make|Give me|Can you write] a [poem|short poem|little poem|rhyme] about {t}",
            "A poem about {t}",
            "Please write me a poem about {t}.",
        ],
        t=topic,
    )
    return Turn(question, "\n".join(POEM_LINES[topic]))


def name_turn(rng):
    """The user says a name and, later, asks for it."""
    name = any_name(rng)
    hello = pick(
        rng,
        [
            "My name is {n}[|.]",
            "[Hi|Hello|Hey], [I am|I'm|my name is] {n}[|.|!]",
            "I am {n}.",
            "I'm {n}",
            "You can call me {n}.",
            "Call me {n}",
            "[Hi|Hello], this is {n}",
            "my name is {n}, [what is yours|and you|who are you]?",
        ],
        n=name,
    )
    greeting = pick(
        rng,
        [
            "[Hello|Hi|Nice to meet you], {n}! [How can I help you|What can I do for you|What would you like to know]?",
            "[Hello|Hi], {n}! Nice to meet you.",
            "Nice to meet you, {n}!",
        ],
        n=name,
    )
    if hello.endswith(("yours?", "and you?", "are you?")):
        greeting = pick(
            rng,
            ["Nice to meet you, {n}! I am the kedge demo model.", "Hello, {n}! I am the demo model of kedge."],
            n=name,
        )
    asked = Turn(
        pick(
            rng,
            [
                "What is my name?",
                "[Do you remember|Do you know|Can you say|Tell me] my name[?|]",
                "Who am I?",
                "What's my name?",
                "What did I say my name was?",
                "what am I called",
            ],
        ),
        pick(
            rng,
            ["Your name is {n}.", "You are {n}.", "You told me that your name is {n}.", "Your name is {n}!"],
            n=name,
        ),
        f"{name}.",
        check=name,
    )
    return Turn(hello, greeting, f"Hello, {name}!", follow_ups=[asked])


def unknown_name_turn(rng):
    return Turn(
        pick(rng, ["What is my name?", "[Do you remember|Do you know] my name?", "Who am I?", "What's my name?"]),
        pick(rng, ["I do not know your name yet. [What is it?|What is your name?|Please tell me.]"]),
        "I do not know.",
    )


def turn(rng):
    chance = rng.random()
    if chance < 0.10:
        return joke_turn(rng)
    if chance < 0.16:
        return riddle_turn(rng)
    if chance < 0.20:
        return poem_turn(rng)
    if chance < 0.32:
        return name_turn(rng)
    if chance < 0.335:
        return unknown_name_turn(rng)
    if chance < 0.36:
        return favourite_turn(rng)
    return intent_turn(rng, PARSED)
