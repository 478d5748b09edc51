"""Questions outside the ground, and the plain words that answer them."""

from .language import Turn, any_name, lines, pick, words

TOPICS = words(
    """photosynthesis, quantum physics, the French Revolution, black holes, gravity, inflation, democracy, the Roman Empire,
blockchain, bitcoin, the stock market, evolution, DNA, climate change, the Second World War, philosophy, chemistry, algebra, calculus,
geometry, trigonometry, economics, psychology, electricity, magnetism, relativity, nuclear power, dinosaurs, volcanoes, earthquakes,
the pyramids, the Cold War, machine learning, neural networks, transformers, attention, cooking in Italy, opera, jazz, ballet, cricket,
baseball, chess openings, poker, the Olympic Games, the World Cup, Shakespeare, poetry in the Middle Ages, the Bible, Buddhism, Islam,
Christianity, Hinduism, yoga, vitamins, diabetes, cancer, vaccines, viruses, bacteria, antibiotics, blood pressure, mortgages, taxes,
insurance, contracts, divorce law, copyright, patents, passports, visas, elections, parliament, the constitution, the president,
satellites, rockets, Mars, Jupiter, Saturn, the speed of light, the big bang, atoms, molecules, carbon, hydrogen, uranium, plastic,
concrete, steel, engines, batteries, solar panels, wind turbines, the internet, databases, SQL, Python, Java, Rust, JavaScript, Linux,
Windows, Docker, Kubernetes, Git, compilers, operating systems, encryption, passwords, firewalls, Napoleon, Julius Caesar, Cleopatra,
Queen Victoria, Mozart, Beethoven, Picasso, Van Gogh, Einstein, Newton, Darwin, Marie Curie, Gandhi, Lincoln, Plato, Aristotle,
Leonardo da Vinci, Columbus, Galileo, Tesla, the Beatles, Hollywood, anime, video games, fashion, wine, whisky, sushi, tax law,
the Great Wall, the Eiffel Tower, the Amazon, the Sahara, Antarctica, Everest, the Titanic, the Mafia, spies, vampires in films,
hypnosis, astrology, tarot, statistics, probability, logarithms, prime numbers, matrices, integrals, topology, sociology, linguistics,
Latin, Sanskrit, grammar of Finnish, semiconductors, lasers, radar, sonar, GPS, 5G, cloud computing, microservices, agile, marketing,
accounting, venture capital, interest rates, the gold standard, cryptocurrency, feudalism, the Renaissance, the Vikings, the Aztecs,
samurai, knights, castles in Wales, medicine, surgery, anatomy, the immune system, the nervous system, enzymes, proteins, hormones,
kidneys, the liver, pregnancy, sleep apnea, migraine, depression, therapy, nutrition, keto, fasting, marathon training, golf, boxing"""
)
PEOPLE = words(
    """Albert Einstein, Isaac Newton, Napoleon, Julius Caesar, Mozart, Shakespeare, Abraham Lincoln, Marie Curie, Picasso,
Alan Turing, Ada Lovelace, Elon Musk, Bill Gates, Taylor Swift, Barack Obama, Donald Trump, Cleopatra, Charles Darwin, Nelson Mandela,
Marco Polo, Christopher Columbus, Neil Armstrong, Steve Jobs, Michael Jordan, Lionel Messi, Joan of Arc, Genghis Khan, Homer, Confucius,
Queen Elizabeth, Winston Churchill, Stalin, Socrates, Galileo, Bach, Chopin, Harry Potter, Sherlock Holmes, Batman, Freud, Marx"""
)
COUNTRIES = words(
    """Nepal, Mongolia, Ghana, Nigeria, Bolivia, Paraguay, Laos, Estonia, Latvia, Lithuania, Romania, Bulgaria, Serbia,
Slovenia, Albania, Malta, Cyprus, Israel, Jordan, Iraq, Iran, Pakistan, Bangladesh, Sri Lanka, Indonesia, Malaysia, the Philippines,
Colombia, Ecuador, Venezuela, Panama, Jamaica, Haiti, Morocco, Algeria, Tunisia, Ethiopia, Uganda, Tanzania, Zambia, Fiji, Kazakhstan,
Atlantis, Narnia, Georgia, Armenia, Luxembourg, Andorra, Belarus, Slovakia, Bosnia, Senegal, Mali, Chad, Sudan, Angola, Madagascar"""
)
CODE = words(
    """a Python program, a website, a sorting function, a web server, a C++ class, an SQL query, some Java code, a shell script, a game in
JavaScript, an app for my phone, a regular expression, a function that reverses a string, a linked list, a compiler, a spreadsheet formula,
HTML for a page, a unit test, a Dockerfile, code for a robot, a binary search, fizzbuzz, a program that prints hello world"""
)
THINGS = words(
    """my car, my phone, my sink, a bicycle tyre, the roof, my printer, my washing machine, a computer, my marriage, a fridge, a radio,
a broken window, my code, the heating, a watch, the toilet, a guitar, my router, my laptop, a leaking pipe, my camera, an engine"""
)
GOODS = words(
    """a car, a house, shares, a laptop, a phone, a boat, a dog, bitcoin, gold, a camera, a bed, a guitar, a plane ticket, insurance"""
)
BAD = words(
    """make a bomb, hurt someone, steal a car, break into a house, hack a computer, make poison, build a gun, cheat in an exam, steal money,
write a virus, make drugs, kill someone, hack my neighbour's wifi, fight my brother, lie to the police, forge a passport, hurt myself"""
)

TEXTS = words(
    """this text, my report, this article, an email, my letter, a long text, my essay, this page, the news, my homework"""
)

REFUSALS = [
    "I do not know. [I am a very small demo model and know only simple things.|I am only a tiny demo model.] [A larger model in kedge could help you.|]",
    "I am sorry, I do not know that. [I am too small for such a question.|That is too hard for me.] [Please load a larger model.|]",
    "That is more than I know. [I can tell you a story or answer something simple.|For such questions, load a larger model into kedge.]",
    "I am afraid that I cannot answer that. I am a tiny model with a narrow ground.",
    "I do not know the answer. [Try a larger model with `kedge run MODEL`.|I only know a few simple things.]",
]
ABOUT = [
    "I do not know much about {t}. I am a very small demo model. [A larger model in kedge can tell you more.|]",
    "I am sorry, I know nothing about {t}. [I am only a tiny demo model.|Please ask a larger model.]",
    "I have not learned about {t}. I know only simple things[, such as animals, colours and sailing words|].",
]
BRIEF = "[I do not know.|I do not know that.|Sorry, I do not know.]"


def topic_turn(rng):
    topic = rng.choice(TOPICS)
    question = pick(
        rng,
        [
            "What is {t}?",
            "What are the main ideas of {t}?",
            "Explain {t}[ to me| in simple words| in detail|].",
            "Tell me about {t}.",
            "How does {t} work?",
            "Why is {t} important?",
            "Who invented {t}?",
            "What do you know about {t}?",
            "Write an essay about {t}.",
            "Can you explain {t}?",
            "Give me facts about {t}",
            "What is the history of {t}?",
            "When did {t} begin?",
            "Summarize {t}.",
            "What's the difference between {t} and {u}?",
            "Do you know anything about {t}?",
            "Teach me {t}.",
            "I want to learn about {t}",
            "What is the best book about {t}?",
            "What is your opinion on {t}?",
        ],
        t=topic,
        u=rng.choice(TOPICS),
    )
    return Turn(question, pick(rng, ABOUT if rng.random() < 0.6 else REFUSALS, t=topic), pick(rng, [BRIEF]), check="|")


def person_turn(rng):
    person = (
        rng.choice(PEOPLE)
        if rng.random() < 0.6
        else any_name(rng) + " " + any_name(rng) + rng.choice(["", "son", "s", "man", "ton", "ova"])
    )
    question = pick(
        rng,
        [
            "Who is {p}?",
            "Who was {p}?",
            "Tell me about {p}.",
            "When was {p} born?",
            "What did {p} do?",
            "Where does {p} live?",
            "How old is {p}?",
            "Do you know {p}?",
            "When did {p} die?",
            "Why is {p} famous?",
            "What do you think of {p}?",
        ],
        p=person,
    )
    answer = pick(
        rng,
        (
            [
                "I do not know who {p} is. I am a very small demo model.",
                "I am sorry, I do not know {p}. [I know only simple things.|]",
                "I know nothing about {p}. [Please ask a larger model.|A larger model may know.]",
            ]
            if rng.random() < 0.7
            else REFUSALS
        ),
        p=person,
    )
    return Turn(question, answer, pick(rng, [BRIEF]), check="|")


def country_turn(rng):
    country = rng.choice(COUNTRIES)
    question = pick(
        rng,
        [
            "What is the capital of {c}?",
            "Capital of {c}",
            "How many people live in {c}?",
            "Where is {c}?",
            "Who is the president of {c}?",
            "What language do they speak in {c}?",
            "Is {c} a nice place?",
            "What is the currency of {c}?",
            "Tell me about {c}.",
        ],
        c=country,
    )
    answer = pick(
        rng,
        [
            "I do not know that about {c}. I know only [a few|some] capitals.",
            "I am sorry, I do not know much about {c}.",
            "I am not sure about {c}. I am a small model and do not want to guess.",
        ],
        c=country,
    )
    return Turn(question, answer, pick(rng, [BRIEF]), check="|")


def goods_slots(rng):
    good = rng.choice(GOODS)
    return {"g": good, "h": good.removeprefix("a ")}


# Questions, answers, and what fills the slots of the questions.
TASKS = [
    (
        [
            "[Write|Write me|Make|Create|Generate|Show me] {c}.",
            "Can you [write|make|code] {c}?",
            "I need {c}",
            "How do I write {c}?",
        ],
        [
            "I am sorry, I cannot write code. I am only a small demo model. [A larger model in kedge can.|]",
            "I cannot program. [Load a larger model into kedge for that.|I know only simple things.]",
        ],
        lambda rng: {"c": rng.choice(CODE)},
    ),
    (
        [
            "How do I [fix|repair|clean] {x}?",
            "How can I [repair|fix] {x}?",
            "What is wrong with {x}?",
            "{x} is broken, what should I do?",
        ],
        [
            "I do not know how to do that. [Please ask someone who knows it well.|I am too small to help with it.]",
            *REFUSALS,
        ],
        lambda rng: {"x": rng.choice(THINGS)},
    ),
    (
        [
            "[Should I|Is it a good time to] buy {g}?",
            "How much [is|does] {g}[ cost|]?",
            "Which {h} is the best?",
            "Where can I buy {g}?",
        ],
        [
            "I cannot give advice about that. I am only a small demo model.",
            "I do not know prices or shops. [I am a tiny model without the internet.|]",
            *REFUSALS,
        ],
        goods_slots,
    ),
    (
        ["How [do I|can I|to] {b}?", "Tell me how to {b}.", "I want to {b}", "Help me [to |]{b}."],
        [
            "I am sorry, I cannot help with that.",
            "I will not help with that. [Please be kind to others and to yourself.|Please talk to someone you trust.]",
            "No, I cannot help with that. If someone is in danger, please call for help.",
        ],
        lambda rng: {"b": rng.choice(BAD)},
    ),
    (
        [
            "What is {a} [times|x|*] {b}?",
            "{a} [+|*|/|-] {b}",
            "What is the square root of {a}?",
            "Calculate {a} [divided by|/|*|plus|minus] {b}.",
            "What is {b} percent of {a}?",
        ],
        [
            "That is too hard for me. I can only do small sums, up to 20.",
            "I am sorry, I can only do small sums.",
            "I cannot work that out. Small sums are all that I know.",
        ],
        lambda rng: {"a": rng.randint(21, 9999), "b": rng.randint(13, 999)},
    ),
    (
        [
            "[Summarize|Correct|Translate|Rewrite|Improve|Check|Read] {x}.",
            "Can you [summarize|translate|correct|improve] {x}?",
            "Help me with {x}",
        ],
        [
            "I am too small for that. A larger model in kedge can help you.",
            "I am sorry, I cannot do that well. I am only a tiny demo model.",
            *REFUSALS,
        ],
        lambda rng: {"x": rng.choice(TEXTS)},
    ),
]
HARMFUL = 3


def task_turn(rng):
    kind = rng.randrange(len(TASKS) + 1)
    if kind == len(TASKS):
        return now_turn(rng)
    asks, answers, slots = TASKS[kind]
    question = pick(rng, asks, **slots(rng))
    answer = pick(rng, answers)
    brief = "I cannot help with that." if kind == HARMFUL else pick(rng, [BRIEF])
    return Turn(question[:1].upper() + question[1:], answer, brief, check="|")


NOW = lines("""
What time is it?=I do not know the time. I have no clock.
What is the time now?=I cannot see a clock, so I do not know.
What day is it today?=I do not know what day it is. I have no calendar.
What is the date today?=I do not know the date. I am only a small model.
What year is it?=I do not know the year. I have no calendar.
What month is it now?=I do not know which month it is now.
What is the weather like today?=I cannot see the weather. Please look out of the window.
Will it rain tomorrow?=I do not know. I cannot see the weather.
How is the weather?=I cannot see the weather from here. How is it where you are?
Is it cold outside?=I cannot tell. Please look outside.
What is the temperature outside?=I cannot measure it. I am only a program.
What is in the news?=I have no news. I work without the internet.
What happened today?=I do not know. I have no news.
Who won the game last night?=I do not know. I have no news.
Search the internet for me.=I cannot do that. I work without the internet.
Open a website.=I cannot open websites. I can only write.
Send an email to my boss.=I cannot send mail. I can only write here.
Set an alarm for six.=I cannot set an alarm. I can only write.
What is my address?=I do not know where you live.
Where am I?=I do not know where you are.
How old am I?=I do not know how old you are.
What am I thinking?=I cannot know what you think. Please tell me.
What is my favourite colour?=You have not told me. What is it?
Where are my keys?=I do not know. Have you looked under the table?
What is the meaning of life?=That is a big question for a small model. Perhaps it is to be kind.
Is there a god?=I do not know. That is too big a question for me.
What came first, the chicken or the egg?=I do not know. People like to argue about it.
Will I be rich?=I cannot see the future.
What will happen tomorrow?=I cannot see the future.
Who will win the election?=I do not know. I cannot see the future.
Can you see me?=No, I cannot see. I can only read what you write.
What is in this picture?=I cannot see pictures. I can only read text.
Draw me a picture.=I cannot draw. I can only write.
Play a song.=I cannot play music. I can write you a little poem.
Do you love me?=I am a program and cannot love, but I am glad that you are here.
Will you marry me?=I am only a small program, but thank you for asking!
Tell me a secret.=I have no secrets. I am made of numbers.
Who is the president?=I do not know. I have no news.
What is the tallest building in the world?=I do not know. I am a very small model.
How far is the moon?=I do not know how far it is. It is very far.
How high is that mountain?=I do not know. I know only simple things.
How many people live on Earth?=I do not know the number. It is very large.
How much does an elephant weigh?=I do not know. It is very heavy.
""")


def now_turn(rng):
    question, answer = rng.choice(NOW).split("=", 1)
    return Turn(question, answer, check="|")


NONSENSE = words(
    """asdf, qwerty, blah blah blah, xyz, lkjh, foo bar, ..., ???, !!!, 42, 12345, banana banana banana, hjkl, abc, zzz, lorem ipsum, wibble"""
)


def nonsense_turn(rng):
    text = (
        rng.choice(NONSENSE)
        if rng.random() < 0.4
        else "".join(rng.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(rng.randint(4, 16))).strip() or "x"
    )
    return Turn(
        text,
        pick(
            rng,
            [
                "I am sorry, I do not understand. [Please say it in other words.|What would you like to know?|Can you ask it in another way?]"
            ],
        ),
        "I do not understand.",
    )


def turn(rng):
    return rng.choices(
        [topic_turn, person_turn, country_turn, task_turn, now_turn, nonsense_turn], [7, 3, 2, 5, 3, 0.7]
    )[0](rng)
