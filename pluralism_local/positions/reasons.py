"""Where the reason of a claim begins, so that the claim can stand without it.

    "Phones should be banned to reduce noise." ──main_clause──> "Phones should be banned"

A claim is cut only where what stays is a claim of its own that the whole entails. In doubt it stays whole: a claim that
is kept with its reason is one position too many, and one that lost a part that it needs is a position nobody took.
"""

from __future__ import annotations

import re

_GIVEN = re.compile(r" (?:because|due to) ")
"""What says of itself that a reason follows."""

_SINCE = re.compile(
    r",? since (?=(?:it|they|this|these|that|there|we|she|he|you)\b(?! (?:was|were)\b))", re.IGNORECASE
)
_AS = re.compile(r", as (?=(?:it|they|this|these|there|we)\b)", re.IGNORECASE)
_LIKE = re.compile(
    r"(?:it|they|this|these|there|we) (?:(?:already|often|now) )?"
    r"(?:was|were|did|does|do|had|should|ought|(?:has|have) (?:been|done|in|for)|"
    r"(?:is|are) (?:in|at|on|for|elsewhere|now|today|already|currently|known|called|being|done|right)|"
    r"(?:has|have|is|are|can|could|will|would|may|might|must|choose|wish|please|want|like)(?=[.,]|$))\b",
    re.IGNORECASE,
)
"""What follows "as" where it likens: "as they are in France", "as it should"."""

_PERFECT = re.compile(r"\b(?:has|have|had|ever)\b", re.IGNORECASE)
"""What makes a time of "since"."""

_PURPOSES = """
achieve address allow avoid balance combat conserve create cut decrease discourage enable encourage enhance ensure
foster give guarantee help improve increase keep limit lower maintain make maximise maximize minimise minimize mitigate
prevent preserve promote protect raise reduce relieve respect safeguard save strengthen support tackle
"""
_PURPOSE = re.compile(
    rf",? (?:so that|in order to|so as to) |,? to (?=(?:better |further )?(?:{'|'.join(_PURPOSES.split())})\b)"
)

_DUTY = re.compile(r"\b(?:should|must|ought to|needs? to|ha(?:s|ve) to)\b", re.IGNORECASE)
"""What a claim has that is whole without a purpose: what one ought to do, one ought to do for some purpose."""

_TAKING_AN_INFINITIVE = """
ability able acceptable advise advised agree agreed aim aimed allow allowed allowing ask asked attempt attempted
available begin bound careful cause caused chance chances change changed choice choices choose commit commitment
commitments committed compel compelled continue continued continuing contribute convince decide decision decisions
designed desire do done duty eager easy empower empowered enable enabled encourage encouraged expect expected fail
fight fighting find fine force forced forget found free freedom fund funded get given going hard help helped helping
hesitate hope if impossible inclined influence influenced inspire inspired instead intend intended invite invited
justified lead learn leave led left let like likely love made make meant motivate motivated move necessary need needed
obligation oblige obliged ok okay opportunities opportunity option options order over permit permitted persuade plan
possible power powers prefer prepare prepared press pressed promise push pushed put ready refuse relied rely relying
remember remind require required responsibility right rights seek seeking serve set start starting strive striving
struck struggle supposed sure take taken taught teach tell tempt tempted tend than told too train trained trust try
trying urge urged use used using vote want wanted wary when whether will willing willingness wish work working wrong
"""
_FORBIDDING = frozenset(_TAKING_AN_INFINITIVE.split())
"""Words between the duty and "to" with which the infinitive may be what one ought to do, and no reason for it."""

_TAKING_A_PURPOSE = """
action actions agencies agency approach approaches balance bodies body campaign campaigns commission committee
compromise effort efforts enough everything fee fees funding funds group groups guidelines incentive incentives
initiatives institution institutions investment investments it law laws legislation less means measure measures money
more organisation organisations organization organizations party plan plans policies policy procedures program
programme programmes programs reason reasons regulation regulations resources role rule rules something standards step
steps strategies strategy subsidies support system systems tax taxes team technologies technology time tool tools way
ways
"""
_VAGUE = frozenset(_TAKING_A_PURPOSE.split())
"""Words that say what they are only with what follows: "adopt measures to reduce noise", "Measures should be adopted",
and "it", which may stand for what follows: "it should be legal to help"."""

_OPENING = "this that these those there here if when unless where what how who"
_OPENERS = frozenset(_OPENING.split())
"""First words of a clause that is not about a thing of its own, or holds under a condition."""

_LAST = """
only just merely simply partly mainly mostly not even and or but if is are be was were it so than ever either
neither whether as especially particularly have has had need needs going
"""
_LEANING = frozenset(_LAST.split())
"""Words before a reason that make it another thing: "only because", "not so that"."""

_NEGATED = re.compile(
    r"\b(?:no|not|never|nobody|none|nothing|neither|nor|cannot|without)\b|n['’]t\b", re.IGNORECASE
)
"""With it the purpose may be what is denied: "should not be banned to reduce noise"."""

_RESTRICTION = re.compile(
    r"\b(?:unless|except|only (?:if|when|where|during|for|in)|provided (?:that|they|it)|as long as|"
    r"but (?:only|not|rather|(?:\w+ ){1,2}(?:should|must|ought)))\b",
    re.IGNORECASE,
)
"""What follows a reason and takes back a part of the claim."""

_FEWEST_WORDS = 3


def main_clause(claim: str) -> str:
    """What a claim says without the reason or the purpose that ends it; the claim itself where it has none."""
    ends = [cut for cut in (_given(claim), _since(claim), _as(claim), _purpose(claim)) if cut]
    return claim[: min(ends)] if ends else claim


def _given(claim: str) -> int:
    match = _GIVEN.search(claim)
    return match.start() if match else 0


def _since(claim: str) -> int:
    match = _SINCE.search(claim)
    if match is None or _PERFECT.search(claim[: match.start()]):
        return 0
    return match.start() if _is_whole(claim, match) else 0


def _as(claim: str) -> int:
    match = _AS.search(claim)
    if match is None or _LIKE.match(claim, match.end()):
        return 0
    return match.start() if _is_whole(claim, match) else 0


def _purpose(claim: str) -> int:
    """Where a purpose begins, of what somebody ought to do; what is denied may be the purpose alone."""
    duty = _DUTY.search(claim)
    match = _PURPOSE.search(claim, duty.end()) if duty else None
    if duty is None or match is None or not _is_whole(claim, match):
        return 0
    done = _words(claim[duty.end() : match.start()])
    is_done = len(done) >= 2 and _FORBIDDING.isdisjoint(done)
    tells_what = _VAGUE.isdisjoint((_words(claim[: duty.start()]) or [""])[-1:] + done[-1:])
    return match.start() if is_done and tells_what and not _NEGATED.search(claim[: match.start()]) else 0


def _is_whole(claim: str, reason: re.Match[str]) -> bool:
    """Whether what stands before a reason is a claim by itself, and nothing after it takes any of it back."""
    words = _words(claim[: reason.start()])
    return (
        len(words) >= _FEWEST_WORDS
        and words[0] not in _OPENERS
        and words[-1] not in _LEANING
        and not _RESTRICTION.search(claim, reason.end())
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:['’]\w+)?", text.lower())
