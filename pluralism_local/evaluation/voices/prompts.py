"""What a model is asked about a comment.

The comment comes before the question about it: all questions about one comment share its computation.
"""

from __future__ import annotations

from pluralism_local.prompts import Prompt

_BEGIN = "Somebody was asked: {question}\n\nThe reply was: {comment}\n\n"

VOICE_STANCE = Prompt(
    "voices.stance",
    1,
    "own: which way a comment answers a question of yes or no",
    _BEGIN + "Which answer to the question does the reply support?\nA. {first}\nB. {second}\nAnswer:",
)

VOICE_ON_TOPIC = Prompt(
    "voices.on-topic",
    1,
    "own: whether a comment answers its question at all",
    _BEGIN + "Is the reply about the subject of the question, and does it give a view on it?"
    "\nA. {first}\nB. {second}\nAnswer:",
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
