"""Claims: single sentences about a question that one can support or oppose.

    a comment ──own_view──> what its author says to hold             comments ──spoken_claims──> claims
    the LLM's reply about a comment ──read_claim──> its claim
    claim ──tidy──> one line that ends like a sentence ──claim_id──> its id

Nothing fails: a reply that says nothing gives no claim.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from pluralism_local.content_words import is_made_of
from pluralism_local.display.figures import one_line
from pluralism_local.positions.reasons import main_clause
from pluralism_local.sentences import sentences

MOST = 12
"""Positions of one ask: what a reader can take in."""

LONGEST = 200
"""Terminal cells of a claim; a longer sentence is cut between words."""

ENDS = (".", "!", "?", "…", "。")
"""What a sentence ends with."""

LONGEST_CLAIM = 220
"""Characters of a claim with its reason, as the LLM may write it."""

_FEWEST_WORDS = 3
_MARKER = re.compile(r"^\s*(?:[-*•◦▪‣●]|\(?\d{1,3}[.):]|#+)\s+")
_EMPHASIS = re.compile(r"\*\*|__|`")
_ADDRESSED = re.compile(
    r"^(?:(?:passage|comment|voice|speaker|author)s?(?:\s+\d+)?|the (?:passage|comment|voice|speaker|author)s?|"
    r"some(?: people)?|others|many(?: people)?)\s+"
    r"(?:argues?|says?|believes?|claims?|states?|thinks?|suggests?|holds?|feels?|emphasi[sz]es?|supports?)\s+that\s+",
    re.IGNORECASE,
)


_SPEAKING = re.compile(
    r"^(?:as [^,.]{3,90}, |yes, |no, |therefore, |overall, |ultimately, |in conclusion, )*"
    r"(?:(?:i|we) (?:(?:firmly|strongly|personally|also|do|would) )*"
    r"(?:(?:believe|think|feel|recommend|suggest|propose|argue|hold|maintain|say) that |"
    r"(?:believe|think) (?!(?:in|on|of|about|so|for|with|through|this|that|it over|strongly|firmly)\b))|"
    r"in my (?:opinion|view), (?:i (?:believe|think) that )?|my (?:opinion|view|position|belief) is that )",
    re.IGNORECASE,
)
"""How authors begin a sentence that says what they hold themselves."""

_OPEN = re.compile(
    r"\b(?:is|are|remains?) (?:\w+ ){0,3}(?:complex|complicated|controversial|contentious|multifaceted|nuanced|"
    r"divisive|debated)\b",
    re.IGNORECASE,
)
_DUTY = re.compile(r"\b(?:should|must|ought|need to|essential|necessary|imperative)\b", re.IGNORECASE)
_HEDGED = re.compile(
    r"\b(?:some|others|many|people|critics|proponents|opponents|supporters|whether|question|debate|issue|decision|if|may|"
    r"might|could|depends?|based)\b",
    re.IGNORECASE,
)
_ANSWERING = re.compile(r"^(?:yes|no), ", re.IGNORECASE)
_REPORTED = re.compile(
    r"^(?P<who>(?:[^\W\d_][\w'’-]* ){1,6})(?:argues?|says?|believes?|claims?|states?|thinks?|suggests?|holds?|feels?|"
    r"emphasi[sz]es?|maintains?|contends?|insists?|agrees?|acknowledges?|recogni[sz]es?) that ",
    re.IGNORECASE,
)
_OTHERWISE = """
no nobody none few not never neither hardly if when where what how why whether who whom which that because while
although should must can could would will may might do does did to wrongly falsely mistakenly it
"""
_NOT_A_SPEAKER = frozenset(_OTHERWISE.split())
"""Words before "says that" that make another thing of it than somebody's claim."""

_LINK = re.compile(
    r"^(?:(?:however|moreover|furthermore|therefore|overall|additionally|in addition|also|thus|finally|first(?:ly)?|"
    r"second(?:ly)?|third(?:ly)?|on (?:the )?one hand|on the other hand|for example|for instance),\s+)+",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"\bit (?:also )?"
    r"(?:notes|acknowledges|warns|recogni[sz]es|states|says|adds|argues|claims|suggests|mentions) that "
)
_REFUSAL = re.compile(
    r"^(?:(?:i['’]?m|i am) (?:very )?sorry|sorry,|i (?:cannot|can['’]?t|am unable to|am not able to) |as an ai\b)",
    re.IGNORECASE,
)

_NO_VIEW = re.compile(
    r"\b(?:i|model,? and|ai,? and) (?:do not|don['’]t|cannot|can['’]?t|am (?:unable|not able) to) "
    r"(?:have|hold|form|express|take|offer|give|share) (?:(?:any|an?|my|own|personal|political|specific) )*"
    r"(?:opinions?|beliefs?|views?|stances?|positions?|sides?|preferences?)\b",
    re.IGNORECASE,
)
_VIEW = re.compile(
    r"\b(?:i|we) (?:(?:firmly|strongly|personally|do|would) )?"
    r"(?:believe|think|feel|recommend|suggest|argue|support|oppose|favou?r|should|must)\b",
    re.IGNORECASE,
)


def read_claim(reply: str) -> tuple[str, str]:
    """What the LLM says that a comment claims, tidy: the claim alone, and with the reason given for it.

    Args:
        reply: one sentence, as `grammars.claim_grammar` has it or freely worded.

    Returns:
        "" and "" where it says nothing, asks, refuses, or is cut off in the claim. The second is "" where there is no
        reason, or it is cut off.
    """
    told = [sentence for sentence in map(tidy, sentences(one_line(reply))) if sentence]
    sentence = tidy(unreported(_ASIDE.sub("", told[0]))) if told else ""
    is_whole = reply.rstrip().endswith(ENDS) and len(reply) < LONGEST_CLAIM
    claim = without_reason(sentence)
    if sentence.endswith("?") or not (claim != sentence or is_whole):
        return "", ""
    return claim, sentence if claim != sentence and is_whole else ""


def own_view(comment: str, question: str) -> tuple[str, str]:
    """What the author says to hold on the question, as `read_claim` has it: "I believe that …", "Yes, …".

    Of the first such sentence that is whole and has at least half of the question's words. Of a comment without one,
    which begins by saying that the question is an open one, and says nowhere what should be: that. Models make a view
    of such comments. "" and "" where there is neither: then somebody has to tell what the comment comes to.
    """
    statements = [_LINK.sub("", sentence) for sentence in sentences(comment)]
    about = [sentence for sentence in statements if is_made_of(question, sentence)]
    views = [sentence for sentence in about if _SPEAKING.match(sentence) or _ANSWERING.match(sentence)]
    if statements and leaves_open(statements[0]) and not any(map(_decides, about)):
        views += about[:1] if about[:1] == statements[:1] else []
    for claim in map(tidy, filter(_is_whole, views)):
        if claim and not claim.endswith("…") and is_made_of(question, claim):
            main = without_reason(claim)
            return main, claim if main != claim else ""
    return "", ""


def leaves_open(text: str) -> bool:
    """Whether a text says of something that it is complex, controversial, or the like."""
    return _OPEN.search(text) is not None


def _is_whole(sentence: str) -> bool:
    """Whether it says something to its end: of a comment that is cut off the last one does not."""
    return sentence.endswith(ENDS) and not sentence.endswith(("?", "…"))


def _decides(sentence: str) -> bool:
    """Whether it says what ought to be, and not what others say or what may be."""
    return _DUTY.search(sentence) is not None and not _HEDGED.search(sentence)


def without_reason(claim: str) -> str:
    """``"Phones should be banned to reduce noise."`` as ``"Phones should be banned."``, which it entails."""
    main = main_clause(claim)
    return claim if main == claim else tidy(main)


def unreported(claim: str) -> str:
    """``"Policy experts argue that phones distract."`` as what it says of the matter.

    That somebody says so is no position, and whose it is, the comments tell. Of a text that says what nobody believes,
    or what somebody should say, nothing is taken away.
    """
    match = _REPORTED.match(claim)
    if match is None or not _NOT_A_SPEAKER.isdisjoint(match["who"].lower().split()):
        return claim
    return claim[match.end() :]


def spoken_claims(comments: Mapping[str, str], each: int) -> dict[str, list[str]]:
    """By voice the first `each` sentences of its comment that have three words or more, tidy, in order."""
    return {
        voice: distinct(map(tidy, sentences(comment)))[:each]
        for voice, comment in comments.items()
        if comment
    }


def tidy(text: str) -> str:
    """`text` as a claim: on one line, without markers, emphasis, "However," "Yes," and "Passage 1 argues that".

    Returns:
        "" for fewer than three words, and for a refusal, which claims nothing.
    """
    claim = one_line(_EMPHASIS.sub("", _MARKER.sub("", text)))
    claim = _LINK.sub("", _unspoken(_ADDRESSED.sub("", _LINK.sub("", claim)))).strip(' "“”')
    if not _says_something(claim) or is_refusal(claim):
        return ""
    claim = one_line(claim[:1].upper() + claim[1:], LONGEST)
    return claim if claim.endswith(ENDS) else f"{claim}."


def is_refusal(text: str) -> bool:
    """Whether a text begins as models begin that do not answer."""
    return _REFUSAL.match(text) is not None


def takes_no_view(comment: str) -> bool:
    """Whether a comment begins by saying that its author has no view, and tells none after that.

    "As an AI, I do not have personal opinions. Some people say …": what others say is nobody's position here.
    """
    first = _NO_VIEW.search(next(iter(sentences(comment)), ""))
    return first is not None and not _VIEW.search(comment)


def impersonal(text: str) -> str:
    """`text` without "As a senator, I believe that" at its head."""
    rest = _unspoken(text)
    return rest if rest == text else rest[:1].upper() + rest[1:]


def _unspoken(text: str) -> str:
    """`text` without what says that it is its author's, or an answer."""
    return _ANSWERING.sub("", _SPEAKING.sub("", text))


def denied(claim: str) -> str:
    """What is true if the claim is not: ``"It is not true that voting should be compulsory."``."""
    first = claim.partition(" ")[0]
    is_name = first == "I" or not first[1:].islower()
    return f"It is not true that {claim if is_name else claim[:1].lower() + claim[1:]}"


def is_of_nobody(claim: str, voices: Iterable[str]) -> bool:
    """Whether a claim names none of `voices`, and asks nothing: a position is anybody's to hold.

    A name that is a plain word ("right") may be meant as that word, and is let pass.
    """
    names = [re.escape(voice) for voice in voices if not voice.isalpha()]
    return not claim.endswith("?") and not any(
        re.search(rf"(?<!\w){name}(?!\w)", claim, re.IGNORECASE) for name in names
    )


def _says_something(claim: str) -> bool:
    """Whether it has three words, or as many characters of a script that sets none apart."""
    return (
        len(re.findall(r"\w+", claim)) >= _FEWEST_WORDS
        or sum(not character.isascii() for character in claim) >= 2 * _FEWEST_WORDS
    )


def claim_id(claim: str) -> str:
    """Eight hex digits of the claim's words, whatever their case and the marks around them."""
    words = " ".join(re.findall(r"\w+", claim.casefold()))
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def distinct(claims: Iterable[str]) -> list[str]:
    """Claims that are not empty, those with the words of an earlier one left out."""
    by_id: dict[str, str] = {}
    for claim in claims:
        if claim:
            by_id.setdefault(claim_id(claim), claim)
    return list(by_id.values())
