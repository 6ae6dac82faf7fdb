"""What is asked.

    Ask ──modes.run(ask, llm=…, communities=…, should_stop=…)──> ModeEvent…, Result

An Ask checks nothing but what it is asked for (`needed_pool`); the driver checks what its mode needs before it runs.

In a conversation every voice has a thread of its own: a community what it was asked and said, the LLM what it was
asked and answered (comments inside), each in its own words. So a thread of today is the beginning of tomorrow's, and
an engine that kept it (`keep`) decodes only what is new:

    system │ history │ asked₁ said₁ │ asked₂ said₂ │ … │ the present user message

Mode and pool may change between turns: who did not speak in a turn sees what the user saw, the question and the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from pluralism_local.agreement import ALONE, Deliberation
from pluralism_local.communities import Pool
from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import ModeName, Orders, PromptChoice
from pluralism_local.prompts import recurring
from pluralism_local.results import LLM_VOICE, Turn
from pluralism_local.types import Message, Sampling

PUBLISHED_ANSWER = Sampling(temperature=0.0, max_tokens=512)
PUBLISHED_COMMENT = Sampling(temperature=1.0, top_p=0.9, max_tokens=200)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a mode.

    Attributes:
        prompt: the question q; not blank.
        mode: how to answer it.
        pool: the communities; needed by overton, steerable, distributional and moe.
        system: system message of the LLM; the communities never see it (theirs is their persona).
        attribute: what steerable steers towards: free text (``"rural voters"``), a group
            (``"political party: Democrat"``) or a value (``"value: honesty"``).
        options: answers to choose among, at least two; empty to read them from the prompt (distributional)
            or to answer in words (the others).
        orders: in which these are weighed: "asked" as they stand; "rotate" each at every place, an ordered scale from
            both ends; "reverse" as they stand and the other way round (see `orders`).
        history: what was said before the conversation, the same for everybody, as a client hands it in.
        turns: the conversation so far, oldest first: `Result.turn` of each earlier ask.
        answer: how the LLM's answer is drawn.
        comment: how comments are drawn; each community's own seed derives from this one.
        positions: look for the positions of the comments (overton).
        prompts: "paper" for the published prompt; "own" for an answer built from the positions, which names its
            sources, where the LLM can write it: not a base model, nor the starter; "auto" for what suits the LLM: of
            the starter a sentence for each side, of others the published prompt.
        draws: comments to draw of every community, whose positions are counted (overton); 0 for the one that it makes.
        deliberation: whether voices answer each other, and whether they choose the answer among statements (overton).
        take_sides: on a question of yes or no voices that speak through a persona are told the side they lean to, and
            give reasons for it (see `leanings`).
        keep: a next turn may follow, so the engine is asked to keep every voice's sequence. That takes memory
            (23 kB a token with the starter model), so an ask that stands alone leaves it off.
    """

    prompt: str
    mode: ModeName
    pool: Pool | None = None
    system: str | None = None
    attribute: str | None = None
    options: tuple[str, ...] = ()
    orders: Orders = "asked"
    history: tuple[Message, ...] = ()
    turns: tuple[Turn, ...] = ()
    answer: Sampling = PUBLISHED_ANSWER
    comment: Sampling = PUBLISHED_COMMENT
    keep: bool = False
    positions: bool = False
    prompts: PromptChoice = "auto"
    draws: int = 0
    deliberation: Deliberation = ALONE
    take_sides: bool = False

    @property
    def question(self) -> str:
        """The prompt without white space around it, as it goes into prompts."""
        return self.prompt.strip()

    @property
    def opening(self) -> str:
        """The conversation's first question, which personas are told, so that they stay the same in every turn."""
        return self.turns[0].prompt.strip() if self.turns else self.question

    @property
    def wants_window(self) -> bool:
        """Whether it wants the comments' positions, to show them, to build the answer from them or to hold rounds."""
        return self.positions or self.prompts == "own" or self.voices_hear_positions

    @property
    def voices_hear_positions(self) -> bool:
        """Whether there are rounds in which positions are shown."""
        return self.deliberation.rounds > 0 and self.deliberation.hears == "positions"

    @property
    def looks_for_positions(self) -> bool:
        """Whether it wants positions of the comments, or of many that are drawn."""
        return self.wants_window or self.draws > 1

    def to_llm(self, text: str, left_out: int = 0) -> tuple[Message, ...]:
        """The conversation that the LLM sees when `text` is its last user message."""
        system = Message("system", self.system) if self.system else None
        return self.thread(LLM_VOICE, text, system, left_out)

    def thread(
        self, voice: str, text: str, system: Message | None = None, left_out: int = 0
    ) -> tuple[Message, ...]:
        """The conversation that `voice` sees when `text` is its last user message.

        Args:
            system: its system message; None for none.
            left_out: how many of the oldest turns it does not see.
        """
        messages = [system] if system else []
        messages += self.history
        for turn in self.turns[left_out:]:
            message = turn.messages.get(voice, turn.prompt)
            messages.append(Message("user", message, recurring(message)))
            messages.append(Message("assistant", turn.replies.get(voice, turn.answer)))
        return (*messages, Message("user", text, recurring(text)))

    def needed_pool(self) -> Pool:
        """The pool.

        Raises:
            InvalidInput: there is none, or it has no members.
        """
        if self.pool is None or not self.pool.members:
            raise InvalidInput(
                f"The mode {self.mode} needs communities, and there are none.",
                "Choose a pool with --pool or communities with --community.",
            )
        return self.pool
