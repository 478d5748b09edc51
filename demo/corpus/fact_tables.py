"""The tables behind facts.py: what is true on the demo model's ground."""

from .language import table, words

COLOURS = table("""
grass: green
the sky: blue
a clear sky: blue
snow: white
milk: white
a banana: yellow
a lemon: yellow
the sun: yellow
a ripe tomato: red
a strawberry: red
a cherry: red
blood: red
coal: black
the night sky: black
a carrot: orange
an orange: orange
a pumpkin: orange
chocolate: brown
soil: brown
coffee: brown
an elephant: grey
a flamingo: pink
a pig: pink
a frog: green
a leaf: green
a cucumber: green
a grape: green or purple
an aubergine: purple
a plum: purple
the sea: blue
a polar bear: white
a crow: black
salt: white
rice: white
gold: yellow
silver: grey
butter: yellow
a rose: often red
a fire engine: red
a swan: white
honey: golden
ice: clear, or white
a strawberry leaf: green
a blueberry: blue
a lime: green
""")

SOUNDS = table("""
dog: woof
cat: meow
cow: moo
sheep: baa
duck: quack
pig: oink
horse: neigh
lion: roar
bee: buzz
frog: croak
owl: hoot
snake: hiss
mouse: squeak
rooster: cock-a-doodle-doo
goat: maa
wolf: howl
hen: cluck
crow: caw
turkey: gobble
bird: tweet
donkey: hee-haw
""")

YOUNG = table("""
dog: puppy
cat: kitten
cow: calf
sheep: lamb
duck: duckling
pig: piglet
horse: foal
lion: cub
bear: cub
frog: tadpole
goat: kid
hen: chick
goose: gosling
kangaroo: joey
deer: fawn
swan: cygnet
whale: calf
elephant: calf
fox: cub
owl: owlet
seal: pup
butterfly: caterpillar
""")

LEGS = table("""
dog: four
cat: four
horse: four
spider: eight
bird: two
duck: two
ant: six
bee: six
fish: no
snake: no
cow: four
octopus: no
person: two
hen: two
butterfly: six
frog: four
elephant: four
crab: ten
beetle: six
worm: no
""")

HOMES = table("""
bird: a nest
bee: a hive
dog: a kennel
horse: a stable
fox: a den
rabbit: a burrow
fish: water
spider: a web
bear: a cave or a den
cow: a barn
hen: a hen house
squirrel: a tree
whale: the sea
camel: the desert
penguin: the cold south, near the sea
polar bear: the cold north
frog: a pond
lion: the grassland
monkey: trees in the forest
snail: its own shell
owl: a hollow tree
mole: a tunnel under the ground
beaver: a lodge in a river
seal: the sea and the shore
""")

EATS = table("""
cow: grass
rabbit: grass, leaves and carrots
lion: meat
cat: meat and fish
dog: meat and dog food
panda: bamboo
horse: grass, hay and oats
bird: seeds, berries and insects
squirrel: nuts and seeds
bee: nectar and pollen
frog: insects
whale: fish or tiny sea animals
monkey: fruit, leaves and nuts
sheep: grass
owl: mice and other small animals
bear: fish, berries and honey
elephant: grass, leaves and fruit
koala: eucalyptus leaves
goat: grass, leaves and almost anything
spider: insects
duck: plants, seeds and insects
penguin: fish
mouse: seeds, grain and cheese
hen: grain, seeds and worms
""")

OPPOSITES = table("""
hot: cold
big: small
up: down
day: night
fast: slow
happy: sad
light: dark
old: young
open: closed
full: empty
wet: dry
hard: soft
high: low
long: short
loud: quiet
near: far
new: old
rich: poor
strong: weak
thick: thin
clean: dirty
early: late
easy: difficult
good: bad
left: right
in: out
on: off
true: false
first: last
begin: end
push: pull
win: lose
buy: sell
love: hate
yes: no
black: white
deep: shallow
heavy: light
inside: outside
laugh: cry
sweet: sour
tall: short
warm: cool
wide: narrow
brave: afraid
north: south
east: west
summer: winter
rough: smooth
sharp: blunt
remember: forget
arrive: leave
give: take
kind: unkind
always: never
above: below
before: after
more: less
same: different
safe: dangerous
awake: asleep
port: starboard
""")

PLURALS = table("""
child: children
mouse: mice
foot: feet
tooth: teeth
man: men
woman: women
sheep: sheep
fish: fish
goose: geese
leaf: leaves
knife: knives
wolf: wolves
box: boxes
bus: buses
city: cities
baby: babies
berry: berries
story: stories
dog: dogs
cat: cats
boat: boats
apple: apples
book: books
tree: trees
house: houses
person: people
ox: oxen
deer: deer
potato: potatoes
tomato: tomatoes
hero: heroes
watch: watches
dish: dishes
fox: foxes
glass: glasses
lady: ladies
half: halves
shelf: shelves
loaf: loaves
thief: thieves
anchor: anchors
ship: ships
day: days
key: keys
boy: boys
puppy: puppies
""")

PASTS = table("""
go: went
run: ran
eat: ate
see: saw
come: came
take: took
give: gave
write: wrote
sing: sang
swim: swam
fly: flew
buy: bought
think: thought
find: found
make: made
say: said
sleep: slept
sail: sailed
walk: walked
play: played
speak: spoke
drink: drank
begin: began
break: broke
know: knew
grow: grew
throw: threw
ride: rode
draw: drew
bring: brought
catch: caught
teach: taught
tell: told
stand: stood
lose: lost
feel: felt
""")

CAPITALS = table("""
France: Paris
Germany: Berlin
Italy: Rome
Spain: Madrid
Portugal: Lisbon
England: London
the United Kingdom: London
Ireland: Dublin
Scotland: Edinburgh
the Netherlands: Amsterdam
Belgium: Brussels
Austria: Vienna
Switzerland: Bern
Sweden: Stockholm
Norway: Oslo
Denmark: Copenhagen
Finland: Helsinki
Poland: Warsaw
Greece: Athens
Hungary: Budapest
Russia: Moscow
Turkey: Ankara
Egypt: Cairo
Kenya: Nairobi
Japan: Tokyo
China: Beijing
India: New Delhi
South Korea: Seoul
Thailand: Bangkok
Vietnam: Hanoi
Canada: Ottawa
the United States: Washington, D.C.
Mexico: Mexico City
Brazil: Brasilia
Argentina: Buenos Aires
Chile: Santiago
Peru: Lima
Cuba: Havana
Australia: Canberra
New Zealand: Wellington
Iceland: Reykjavik
Ukraine: Kyiv
Czechia: Prague
Croatia: Zagreb
""")

DAYS = words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
MONTHS = words("January, February, March, April, May, June, July, August, September, October, November, December")
MONTH_LENGTHS = dict(zip(MONTHS, [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]))
SEASONS = words("spring, summer, autumn, winter")
SEASON_FACTS = table("""
spring: In spring it gets warmer, flowers open and birds build their nests.
summer: In summer the days are long and warm, and many people go to the sea.
autumn: In autumn the leaves turn red and yellow and fall from the trees.
winter: In winter the days are short and cold, and in many places it snows.
""")

LISTS = {name: words(entries) for name, entries in table("""
animals: dog, cat, horse, cow, sheep, lion, tiger, elephant, rabbit, fox, bear, wolf, mouse, monkey, goat, deer, whale, frog
fruits: apple, pear, banana, orange, cherry, plum, grape, peach, lemon, strawberry, mango, melon, kiwi, blueberry
vegetables: carrot, potato, onion, tomato, cucumber, pea, bean, cabbage, spinach, pumpkin, pepper, leek
colours: red, blue, green, yellow, orange, purple, pink, brown, black, white, grey
birds: owl, crow, swan, duck, robin, eagle, gull, sparrow, penguin, parrot, stork, heron
sea animals: whale, dolphin, seal, crab, octopus, shark, starfish, jellyfish, turtle, lobster
farm animals: cow, pig, sheep, goat, hen, horse, duck, donkey, goose
body parts: head, arm, leg, hand, foot, eye, ear, nose, mouth, knee, elbow, shoulder
drinks: water, milk, tea, coffee, juice, lemonade, cocoa
kinds of weather: sun, rain, snow, wind, fog, hail, storm
tools: hammer, saw, screwdriver, spade, drill, pliers, brush, ladder
clothes: shirt, trousers, dress, coat, hat, scarf, sock, shoe, glove, jumper
musical instruments: piano, guitar, violin, drum, flute, trumpet, harp, cello
kitchen things: spoon, fork, knife, plate, cup, bowl, pot, pan, kettle
flowers: rose, tulip, daisy, lily, sunflower, poppy, violet, daffodil
trees: oak, pine, birch, apple tree, willow, maple, fir, palm
insects: ant, bee, fly, butterfly, beetle, wasp, moth, ladybird
sports: football, tennis, swimming, running, sailing, rowing, cycling, skiing
jobs: baker, teacher, doctor, farmer, sailor, cook, painter, gardener, nurse, driver
countries: France, Japan, Brazil, Canada, Egypt, India, Italy, Kenya, Norway, Spain, Mexico, Greece
shapes: circle, square, triangle, rectangle, oval, star, heart, diamond
kinds of boat: rowing boat, sailing boat, ferry, canoe, tug, yacht, barge, kayak
""").items()}

# "X is ..." answers "What is X?"; the key is the thing without an article.
MEANINGS = table("""
spoon: A spoon is a small tool with a round end. We use it to eat soup.
fork: A fork is a tool with thin points that we use to pick up food.
chair: A chair is a seat with a back and legs for one person.
table: A table is a piece of furniture with a flat top and legs.
bed: A bed is a piece of furniture that we sleep in.
door: A door is a part of a wall that opens and closes so that we can go in and out.
window: A window is an opening in a wall with glass that lets light in.
house: A house is a building where people live.
school: A school is a place where children learn.
library: A library is a place with many books that people can read and borrow.
hospital: A hospital is a place where doctors and nurses help sick people.
market: A market is a place where people buy and sell things.
garden: A garden is a piece of land where flowers, fruit or vegetables grow.
forest: A forest is a large area with many trees.
river: A river is a long stream of water that flows to a lake or to the sea.
lake: A lake is a large area of water with land all around it.
sea: The sea is the salt water that covers a large part of the Earth.
mountain: A mountain is a very high piece of land.
island: An island is a piece of land with water all around it.
desert: A desert is a dry place where it almost never rains.
beach: A beach is the sandy or stony land beside the sea.
bridge: A bridge lets people cross over water or over a road.
road: A road is a hard way that cars and people use to go from place to place.
sun: The sun is a star. It gives us light and heat.
moon: The moon goes around the Earth. We see it best at night.
star: A star is a huge ball of hot gas, very far away, that shines at night.
rain: Rain is water that falls in drops from the clouds.
snow: Snow is frozen water that falls from the sky in soft white flakes.
ice: Ice is frozen water. It is hard and cold.
wind: Wind is air that moves.
cloud: A cloud is made of very small drops of water high in the sky.
fog: Fog is a cloud near the ground. It makes it hard to see far.
storm: A storm is bad weather with strong wind and often rain.
rainbow: A rainbow is a bow of colours in the sky. We see it when the sun shines through rain.
thunder: Thunder is the loud sound that comes after lightning.
lightning: Lightning is a bright flash of electricity in the sky.
water: Water is a clear liquid. All plants and animals need it to live.
fire: Fire is hot and bright. It gives light and heat, but it can burn you.
dog: A dog is an animal with four legs that often lives with people as a pet.
cat: A cat is a small soft animal with four legs. Many people keep cats as pets.
horse: A horse is a big strong animal with four legs that people can ride.
cow: A cow is a large farm animal that gives us milk.
bee: A bee is a small insect that makes honey.
whale: A whale is a very large animal that lives in the sea and breathes air.
elephant: An elephant is a very large grey animal with a long trunk.
bird: A bird is an animal with feathers and two wings. Most birds can fly.
fish: A fish is an animal that lives in water and breathes with gills.
frog: A frog is a small green or brown animal that can jump and swim.
spider: A spider is a small animal with eight legs. Many spiders make webs.
owl: An owl is a bird with large eyes that hunts at night.
penguin: A penguin is a black and white bird that cannot fly but swims very well.
rabbit: A rabbit is a small soft animal with long ears.
fox: A fox is a wild animal with red fur and a thick tail.
bear: A bear is a large, strong wild animal with thick fur.
lion: A lion is a big wild cat. It is strong and it roars.
apple: An apple is a round fruit that grows on a tree. It can be red, green or yellow.
banana: A banana is a long yellow fruit with a soft inside.
bread: Bread is a food made from flour, water and often yeast, and it is baked in an oven.
cheese: Cheese is a food made from milk.
milk: Milk is a white drink that comes from cows and other animals.
honey: Honey is a sweet food that bees make from nectar.
soup: Soup is a warm liquid food made with water and vegetables, meat or fish.
egg: An egg is a round thing that a hen lays. Many people eat eggs.
butter: Butter is a soft yellow food made from cream.
sugar: Sugar is a sweet food that people put in cakes and drinks.
salt: Salt is white and comes from the sea or from the ground. It makes food taste better.
tea: Tea is a hot drink made from leaves and water.
coffee: Coffee is a hot, dark drink made from roasted beans.
heart: The heart is a part of the body that pumps blood.
brain: The brain is the part of the body that thinks.
eye: An eye is the part of the body that we see with.
ear: An ear is the part of the body that we hear with.
nose: A nose is the part of the face that we smell and breathe with.
hand: A hand is the end of the arm. It has five fingers.
knee: A knee is the place where the leg bends.
tooth: A tooth is a hard white thing in the mouth. We bite and chew with our teeth.
book: A book is a set of pages with words or pictures to read.
letter: A letter is a message on paper, or a sign such as A or B.
clock: A clock is a thing that shows the time.
map: A map is a picture that shows where places are.
lamp: A lamp is a thing that gives light.
key: A key opens and closes a lock.
umbrella: An umbrella keeps you dry when it rains.
bicycle: A bicycle has two wheels, and you move it with your feet.
car: A car is a machine with four wheels that takes people along roads.
train: A train is a row of carriages that runs on rails.
plane: A plane is a machine with wings that flies through the air.
boat: A boat is a small vessel that carries people on water.
ship: A ship is a large boat that sails on the sea.
computer: A computer is a machine that works with numbers, words and pictures.
telephone: A telephone lets you talk to people who are far away.
camera: A camera is a thing that takes pictures.
kitchen: A kitchen is a room where people cook.
farm: A farm is a place where people grow food and keep animals.
baker: A baker is a person who makes bread and cakes.
teacher: A teacher is a person who helps others learn.
doctor: A doctor is a person who helps sick people get well.
farmer: A farmer is a person who grows food or keeps animals.
friend: A friend is a person you like and trust.
family: A family is a group of people who belong together, such as parents and children.
birthday: A birthday is the day of the year on which a person was born.
song: A song is music with words that people sing.
story: A story tells what happened, in real life or in someone's mind.
dream: A dream is a story that your mind makes while you sleep.
triangle: A triangle is a shape with three sides.
square: A square is a shape with four equal sides.
circle: A circle is a round shape.
week: A week is seven days.
year: A year is twelve months, or about 365 days.
""")

BODY = table("""
see: eyes
hear: ears
smell: nose
taste: tongue
walk: legs and feet
hold things: hands
think: brain
bite and chew: teeth
breathe: nose, mouth and lungs
speak: mouth
""")
