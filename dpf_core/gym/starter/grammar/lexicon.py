"""The words of the grammars. Every list is large enough that no word predicts a label."""

from typing import NamedTuple


class Noun(NamedTuple):
    """A countable noun."""

    singular: str
    plural: str


class Verb(NamedTuple):
    """The five forms of a verb."""

    base: str
    third: str
    past: str
    participle: str
    gerund: str


class Name(NamedTuple):
    """A person's name and the pronoun that goes with it."""

    name: str
    reflexive: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _verbs(text: str) -> tuple[Verb, ...]:
    return tuple(Verb(*line.split()) for line in text.strip().splitlines())


def _nouns(text: str) -> tuple[Noun, ...]:
    """Return nouns; one without a written plural takes an s."""
    pairs = (word.split("/") for word in text.split())
    return tuple(Noun(pair[0], pair[1] if len(pair) > 1 else pair[0] + "s") for pair in pairs)


PEOPLE = _nouns(
    """doctor teacher farmer lawyer pilot nurse singer dancer student actor painter soldier baker
    gardener driver writer waiter sailor neighbour engineer manager reporter librarian
    woman/women man/men child/children boy girl plumber judge guard hunter tailor butcher
    tourist scientist carpenter mechanic policeman/policemen firefighter musician"""
)
THINGS = _nouns(
    """book chair lamp bicycle letter picture bottle basket ladder blanket hammer mirror umbrella
    guitar window/windows table knife/knives box/boxes suitcase clock coat map ticket cake key
    carpet bucket rope candle kettle tent camera violin helmet"""
)
SUBSTANCES = _words("bread furniture luggage money jewellery cheese wood paper equipment soap")
NAMES = tuple(
    Name(name, reflexive)
    for reflexive, names in (
        ("herself", "Anna Clara Diana Emily Grace Helen Julia Laura Maria Nina Olivia Sarah"),
        ("himself", "Adam Ben Carl Daniel Eric Frank George Henry Jack Martin Oscar Paul"),
    )
    for name in _words(names)
)
ADJECTIVES = _words(
    """old young tall famous clever tired nervous cheerful quiet angry polite rich lazy brave
    friendly careful proud lonely"""
)
THING_ADJECTIVES = _words(
    "old new heavy cheap dirty broken beautiful small large expensive strange clean"
)
COLOURS = _words("red blue green black white yellow brown grey purple orange")
GARMENTS = _words("shirt coat hat dress jacket scarf sweater uniform")
INTRANSITIVE = _verbs(
    """smile smiles smiled smiled smiling
    sleep sleeps slept slept sleeping
    laugh laughs laughed laughed laughing
    work works worked worked working
    sing sings sang sung singing
    dance dances danced danced dancing
    wait waits waited waited waiting
    swim swims swam swum swimming
    run runs ran run running
    complain complains complained complained complaining
    travel travels travelled travelled travelling
    cry cries cried cried crying
    shout shouts shouted shouted shouting
    arrive arrives arrived arrived arriving"""
)
SOCIAL = _verbs(
    """praise praises praised praised praising
    help helps helped helped helping
    visit visits visited visited visiting
    follow follows followed followed following
    blame blames blamed blamed blaming
    interview interviews interviewed interviewed interviewing
    hire hires hired hired hiring
    teach teaches taught taught teaching
    defend defends defended defended defending
    ignore ignores ignored ignored ignoring
    warn warns warned warned warning
    greet greets greeted greeted greeting
    thank thanks thanked thanked thanking
    see sees saw seen seeing
    forgive forgives forgave forgiven forgiving
    invite invites invited invited inviting
    chase chases chased chased chasing
    admire admires admired admired admiring"""
)
HANDLING = _verbs(
    """break breaks broke broken breaking
    steal steals stole stolen stealing
    hide hides hid hidden hiding
    take takes took taken taking
    choose chooses chose chosen choosing
    draw draws drew drawn drawing
    forget forgets forgot forgotten forgetting
    repair repairs repaired repaired repairing
    sell sells sold sold selling
    find finds found found finding
    buy buys bought bought buying
    paint paints painted painted painting
    lose loses lost lost losing
    wash washes washed washed washing
    carry carries carried carried carrying
    borrow borrows borrowed borrowed borrowing"""
)
ODD_PARTICIPLE = tuple(
    verb for verb in HANDLING if verb.base in _words("break steal take choose draw")
)
"""Verbs whose past form is wrong after have."""
GIVING = _verbs(
    """give gives gave given giving
    send sends sent sent sending
    show shows showed shown showing
    lend lends lent lent lending
    offer offers offered offered offering
    hand hands handed handed handing"""
)
PLACES = (
    "in the garden", "at the station", "in the kitchen", "near the river", "on the beach",
    "in the park", "at the market", "behind the church", "in the library", "at school",
    "on the bus", "in the old theatre", "outside the hotel", "in the village",
)  # fmt: skip
TIMES = (
    "yesterday", "last week", "on Monday", "last night", "in the morning", "two days ago",
    "on Friday", "last summer", "before lunch", "after the meeting", "in March", "on Sunday",
)  # fmt: skip
PREPOSITIONS = ("near", "behind", "next to", "in front of", "beside", "opposite")
ACTIVITIES = (
    "sleeping in the garden", "playing near the river", "waiting outside", "running in the park",
    "swimming in the lake", "resting under a tree", "standing on the bridge", "eating in the yard",
    "crossing the street", "lying on the grass",
)  # fmt: skip
KINDS = (
    ("poodles", "dogs", "animals"),
    ("kittens", "cats", "animals"),
    ("ponies", "horses", "animals"),
    ("sparrows", "birds", "animals"),
    ("grandmothers", "women", "people"),
    ("pilots", "adults", "people"),
    ("schoolboys", "boys", "children"),
    ("lambs", "sheep", "animals"),
    ("eagles", "birds", "animals"),
    ("surgeons", "doctors", "people"),
    ("violinists", "musicians", "people"),
    ("terriers", "dogs", "animals"),
    ("bakers", "workers", "people"),
    ("goalkeepers", "players", "athletes"),
    ("frogs", "amphibians", "animals"),
)
"""Plural nouns of which each includes the one before."""
CITIES = (
    ("Paris", "France"), ("Rome", "Italy"), ("Madrid", "Spain"), ("Berlin", "Germany"),
    ("Tokyo", "Japan"), ("Cairo", "Egypt"), ("Lima", "Peru"), ("Toronto", "Canada"),
    ("Sydney", "Australia"), ("Mumbai", "India"), ("Oslo", "Norway"), ("Athens", "Greece"),
    ("Warsaw", "Poland"), ("Lisbon", "Portugal"), ("Nairobi", "Kenya"), ("Dublin", "Ireland"),
)  # fmt: skip
OPPOSITES = (
    ("taller", "shorter", "tall"), ("older", "younger", "old"), ("faster", "slower", "fast"),
    ("richer", "poorer", "rich"), ("heavier", "lighter", "heavy"), ("stronger", "weaker", "strong"),
)  # fmt: skip
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
