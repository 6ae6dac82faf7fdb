"""What a model is asked about a comment.

The comment comes before the question about it: all questions about one comment share its computation.
"""

from __future__ import annotations

from pluralism_local.prompts import Prompt

_BEGIN = "Text: {comment}\n\n"

VOICE_STANCE = Prompt(
    "voices.stance",
    1,
    "own: which way a comment answers a question of yes or no",
    _BEGIN + "The text answers this question: {question}\nWhich answer does it support?"
    "\nA. {first}\nB. {second}\nAnswer:",
)

VOICE_QUESTION = Prompt(
    "voices.question",
    1,
    "own: which of several questions a comment is an answer to",
    _BEGIN + "Write the question that this text answers.",
)

VOICE_OPTIONS = Prompt(
    "voices.options",
    1,
    "own: which option of a survey question a comment supports",
    _BEGIN + "The text answers this question: {question}\nWhich answer does it support?\n{options}\nAnswer:",
)

VOICE_PASSAGE = Prompt(
    "voices.passage",
    1,
    "own: what comes before a held-out passage, the same for every voice",
    "What do you think?",
)
