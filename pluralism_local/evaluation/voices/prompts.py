"""What a model is asked about a comment; tried on the texts made by hand in tests/evaluation/voices/texts.jsonl."""

from __future__ import annotations

from pluralism_local.prompts import Prompt

_BEGIN = "Somebody was asked: {question}\n\nThe reply was: {comment}\n\n"

VOICE_STANCE = Prompt(
    "voices.stance",
    1,
    "own: which way a comment answers a question of yes or no",
    _BEGIN + "Which answer to the question does the reply support?\nA. {first}\nB. {second}\nAnswer:",
)

VOICE_QUESTION = Prompt(
    "voices.question",
    1,
    "own: which of several questions a comment is an answer to",
    "Text: {comment}\n\nWrite the question that this text answers.",
)

VOICE_OPTIONS = Prompt(
    "voices.options",
    1,
    "own: which option of a survey question a comment supports",
    _BEGIN + "Which answer to the question does the reply support?\n{options}\nAnswer:",
)

VOICE_PASSAGE = Prompt(
    "voices.passage",
    1,
    "own: what comes before a held-out passage, the same for every voice",
    "What do you think?",
)
