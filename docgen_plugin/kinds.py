"""What kind of word a word of a name is: noun, participle, adjective, adverb, verb, preposition; by ending and by list.

A sentence can only be put around a name's words by what they are: "bytes written" are counted, "file uploaded" says
what happened to a file. A word that no ending and no list knows is taken for a noun, as most words of names are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from docgen_plugin.readings import frequencies
from docgen_plugin.words import display_forms, singular

__all__ = [
    "PREPOSITIONS",
    "acts_itself",
    "article",
    "is_adjective",
    "is_asking_verb",
    "is_named_action",
    "is_noun",
    "is_noun_phrase",
    "is_occasion",
    "is_participle",
    "is_party",
    "is_plural",
    "is_predicate",
    "is_verb",
]

PREPOSITIONS = frozenset(
    "of to in on at by for from with within without per between after before since until till through thru during under "
    "over into onto upon via against among as than across behind towards out off up down".split()
)
_JOINTS = frozenset("and or nor but if when where which that who whose what how why then n".split())
_PARTICIPLES = frozenset(
    "sent paid unpaid made sold unsold built run set lost left read shut held found born met won put cut done known "
    "unknown begun bought brought caught dealt drawn kept laid led lent seen spent taken taught told thrown understood "
    "withdrawn written rewritten overridden hidden given chosen frozen broken driven proven shown sworn stolen worn "
    "undone overdrawn thought fed hit split spread prepaid postpaid overpaid underpaid".split()
)
# what a thing does itself: it occurred, it was not occurred
_ITSELF = frozenset(
    "occurred existed happened expired arrived departed ended started begun failed succeeded lapsed crashed elapsed "
    "appeared died joined resumed churned landed graduated retired".split()
)
# actions that are things of their own: a rating has a name, "accounting" has none
_ACTIONS = frozenset(
    "rating listing building booking meeting setting posting offering training filing hearing drawing reading recording "
    "finding closing opening landing holding ruling mailing warning mapping binding heading painting string thing king "
    "ring wing spring crossing dwelling saving earning ordering parking routing grouping pairing ranking".split()
)
# participles by their ending that are things, and things by their ending that are none
_NO_PARTICIPLES = frozenset(
    "need feed seed speed bed deed shed reed weed creed breed hundred oilseed newsfeed embed exceed proceed succeed "
    "indeed red shed sled led aged embedded".split()
)
_EITHER = frozenset("set run cut cost read hit split spread left lead".split())
_ADJECTIVES = frozenset(
    "new old high low big small large long short full empty open closed gross free same main major minor own top valid "
    "invalid late early last first second third next previous prior latest recent actual current present upper lower "
    "inner outer right rear good bad best worst ready live true false safe unsafe unique distinct other another each "
    "every all both few many more most less least several single double dual common rare secret public private online "
    "offline direct indirect exempt overdue due outstanding remaining pending missing existing incoming outgoing "
    "recurring virtual remote hot cold warm wet fresh dirty clean clear dead alive sick healthy male female married "
    "pregnant hispanic black white wide deep square extra automatic complete incomplete separate approximate "
    "intermediate immediate sensitive sure able unable aware busy equal superior junior senior compliant redundant "
    "constant relevant significant absent different permanent urgent independent dependent equivalent frequent "
    "subsequent consistent persistent sufficient efficient obsolete opaque unread readonly solid simple complex correct "
    "incorrect wrong strict loose lazy eager hard soft roadworthy oconus conus viral nonviral temporal honorary canonical supplemental institutional ancillary strong weak quick slow fast daily weekly monthly quarterly yearly "
    "hourly annual biweekly only likely average mean median minimum maximum total net raw default manual ongoing "
    "upcoming underlying corresponding matching starting ending former initial final mandatory optional eligible "
    "ineligible alternate duplicate opposite adult rural urban foreign domestic sole shared mutual excess".split()
)
# adjectives and quantities that close a name as things
_ALSO_NOUNS = frozenset(
    "average mean median minimum maximum total net default standard manual adult male female duplicate alternate "
    "equivalent dependent present square second third black white high low open top present right own complex excess "
    "original individual professional official safe".split()
)
_ADJECTIVE_ENDINGS = ("able", "ible", "ive", "ous", "ful", "less")
# as many nouns end like this: only words that the project knows
_EITHER_ENDINGS = ("al", "ic", "ary", "ory")
# nouns with an adjective's ending
_NOUNS = frozenset(
    """
    cable table timetable vegetable variable receivable payable consumable deliverable archive drive hive incentive
    derivative representative objective cooperative executive initiative directive adhesive additive preservative
    locomotive motive perspective dive native creative narrative executable detective live five animal appeal approval
    arrival burial canal capital chemical coal credential deal decimal denial disposal festival funeral goal hospital
    individual journal manual material meal memorial metal mineral official original pedal portal principal professional
    proposal referral refusal removal renewal rental retrieval reversal rival seal serial signal terminal trial vial
    withdrawal interval appraisal cereal local collateral potential editorial clinic fabric logic mechanic metric music
    panic plastic statistic topic traffic mic heuristic characteristic graphic picnic graphic critic library salary
    summary glossary dictionary itinerary beneficiary intermediary boundary diary subsidiary notary anniversary
    vocabulary secretary commentary category directory factory inventory memory history territory story theory repository
    laboratory subcategory dormitory crematory accessory trajectory total mammal crystal medal tutorial manual general
    accrual alternative antibiotic apiary ceramic military rotary differential integral diagonal testimonial intellectual criminal rehearsal dismissal betrayal avowal survival
    """.split()
)
_LY_NOUNS = frozenset(
    "assembly family reply supply fly ally anomaly monopoly july subfamily multiply apply rely".split()
)
_ADVERBS = frozenset("not also already now never always often soon again still yet too ever just".split())
# before a participle these say how it was done: self signed, system created
_HOW = frozenset("pre auto self non re system bot machine".split())
# what only asks: a name that begins with one of them says what its thing does
_ASKING = frozenset(
    "lacks needs requires wants uses allows supports accepts contains includes excludes covers exceeds receives owns "
    "applies belongs defines meets offers provides satisfies affects involves depends reflects represents qualifies "
    "expires exists holds keeps takes makes gives shows hides sends runs matters enables disables prevents permits "
    "produces generates ignores skips forces carries comes goes begins ends stays remains occurs happens".split()
)
_VERBS = frozenset(
    "allow enable disable hide show skip ignore enforce notify send validate verify include exclude require apply "
    "prevent treat keep retain restrict destroy create delete remove add generate suppress convert continue propagate "
    "follow disallow deny publish prefer persist preserve merge invoke execute expire receive accept give make take "
    "get give bring become begin let use store ensure compute calculate encrypt decrypt redirect synchronize".split()
)
_PARTIES = frozenset(
    """
    person people customer user employee contact supplier vendor member student patient provider agent driver owner
    company organization organisation institution lead candidate applicant client subscriber guest tenant landlord
    contractor consultant partner merchant seller buyer donor volunteer teacher instructor learner author actor player
    doctor physician nurse practitioner prescriber guardian parent participant representative manager worker technician
    operator carrier broker insurer payer payee recipient sender resident citizen voter visitor attendee delegate
    beneficiary claimant prospect individual profile account household team department office branch store shop hotel
    restaurant school university hospital clinic bank agency business firm dealer distributor manufacturer retailer
    wholesaler franchise franchisee publisher sponsor host speaker trainer coach staff personnel crew rider passenger
    traveler holder signer signatory trustee attorney lawyer party facility venue site location address warehouse
    administrator admin moderator reviewer approver reporter interviewer requester officer counselor stakeholder
    """.split()
)
_OCCASIONS = frozenset(
    """
    event order sale purchase payment refund return invoice bill transaction transfer visit appointment meeting call
    interview audit inspection survey review test exam game match race trip ride flight voyage shipment delivery receipt
    booking auction bid vote election offer claim incident accident measurement observation reading trade swap deposit
    withdrawal loan donation download upload login signup click view session request response message notification
    adjustment repair charge dispute change update release launch lesson course_run encounter procedure episode death
    birth marriage check count move donation alert alarm log holiday lecture performance concert match quote feedback
    comment post
    """.split()
)
_MASS = frozenset(
    """
    pay renew tax weather access data information content insurance support traffic power energy water storage health internet wifi
    electricity gas cooling consent authority liability security credit debt income evidence proof history inventory
    stock staff equipment furniture software hardware firmware baggage luggage space memory coverage protection
    encryption authentication authorization replication maintenance assistance experience knowledge citizenship
    ownership employment education payroll money cash mail revenue air time permission capacity text alcohol tobacco
    smoke shade room help jurisdiction conformance compliance transportation transport quality safety privacy control
    care standing effect use work damage interest payroll priority preference precedence proxy code
    """.split()
)
_AN = frozenset(
    "hour honor honour heir mri sms sql http https ftp ssl sla nft rfid xml html svg lte mfa".split()
)
_A = ("uni", "use", "usa", "usu", "uti", "eu", "one", "ur", "uu", "us ", "uk", "ubi")


def is_participle(word: str) -> bool:
    """Return whether a word can say what was done: shipped, written; not "late".

    >>> [is_participle(word) for word in ("shipped", "written", "speed", "late")]
    [True, True, False, False]
    """
    return (word.endswith("ed") and len(word) > 3 and word not in _NO_PARTICIPLES) or word in _PARTICIPLES


def acts_itself(word: str) -> bool:
    """Return whether a participle says what its thing did, not what was done to it: expired."""
    return word in _ITSELF


def is_named_action(word: str) -> bool:
    """Return whether a word in -ing is a thing that has a name or a code of its own: a booking, not accounting."""
    return word in _ACTIONS


@cache
def is_adjective(word: str) -> bool:
    """Return whether a word tells how a thing is and is no participle: valid, annual, billable."""
    if word in _ADJECTIVES:
        return True
    if len(word) < 5 or word in _NOUNS:
        return False
    return word.endswith(_ADJECTIVE_ENDINGS) or (word.endswith(_EITHER_ENDINGS) and word in frequencies())


def _is_adverb(word: str) -> bool:
    return word in _ADVERBS or (word.endswith("ly") and word not in _LY_NOUNS and not is_adjective(word))


def is_verb(word: str) -> bool:
    """Return whether a word says what to do and is nothing else: enforce, notify."""
    return word in _VERBS


def is_asking_verb(word: str) -> bool:
    """Return whether a word says what something does: lacks, requires."""
    return word in _ASKING


@cache
def is_noun(word: str) -> bool:
    """Return whether a word can be the thing that a phrase is about.

    >>> [is_noun(word) for word in ("order", "valid", "uploaded", "through", "set", "total")]
    [True, False, False, False, True, True]
    """
    if word in _EITHER or word in _ALSO_NOUNS:
        return True
    no_thing = (
        word in PREPOSITIONS or word in _JOINTS or word in _ASKING or word in _VERBS or _is_adverb(word)
    )
    return not (no_thing or is_participle(word) or is_adjective(word))


def is_noun_phrase(words: Sequence[str]) -> bool:
    """Return whether words can stand after "the": they end with a noun and begin with no joint between phrases.

    >>> [is_noun_phrase(words.split()) for words in ("gross weight", "charged through", "to amount", "sold to contact")]
    [True, False, False, True]
    """
    words = list(words)
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if not words or not is_noun(words[-1]):
        return False
    first = words[0]
    starts = (
        first in PREPOSITIONS or first in _JOINTS or first in _ASKING or (first in _VERBS and len(words) > 1)
    )
    return not starts and "is" not in words and "are" not in words


def is_predicate(words: Sequence[str]) -> bool:
    """Return whether words can stand after "was": a participle or an adjective, with adverbs before, a place behind.

    >>> [is_predicate(words.split()) for words in ("last updated", "fully paid", "file uploaded", "billable", "order")]
    [True, True, False, True, False]
    """
    words = list(words)
    while len(words) > 1 and (_is_adverb(words[0]) or words[0] in ("last", "first", *_HOW)):
        words = words[1:]
    if not words or not (is_participle(words[0]) or is_adjective(words[0])):
        return False
    rest = words[1:]
    return not rest or (rest[0] in PREPOSITIONS and (len(rest) == 1 or is_noun_phrase(rest[1:])))


def is_plural(word: str) -> bool:
    """Return whether a noun stands in the plural."""
    return word != singular(word) or word in ("people", "children", "data", "criteria", "media")


def article(words: Sequence[str]) -> str:
    """Return "a ", "an " or "" as a noun phrase wants it.

    >>> [article(words.split()) for words in ("gun safe", "open order", "children", "access", "unit")]
    ['a ', 'an ', '', '', 'a ']
    """
    end = next((at for at, word in enumerate(words) if word in PREPOSITIONS and at), len(words))
    head, first = words[end - 1], words[0]
    if is_plural(head) or head in _MASS or head.endswith("ing") or head.isdigit() or not is_noun(head):
        return ""
    if first in ("all", "any", "no", "each", "every", "the", "other", "more", "multiple", "only", "same"):
        return ""
    shown = display_forms().get(first, first)
    vowel = (
        shown[0] in "aeiou" and not shown.startswith(_A) if shown.islower() else shown[0] in "AEFHILMNORSX"
    )
    return "an " if (vowel or first in _AN) else "a "


def is_party(words: Sequence[str]) -> bool:
    """Return whether a thing is someone who has a name, an address and a telephone: a customer, a company."""
    return bool(words) and singular(words[-1]) in _PARTIES


def is_occasion(words: Sequence[str]) -> bool:
    """Return whether a thing takes place at a time: an order, a visit."""
    return bool(words) and singular(words[-1]) in _OCCASIONS
