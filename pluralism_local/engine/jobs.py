"""From a prompt to a job: its tokens, and from where on its adapter acts.

    prompt ──> the longest beginning that is kept, in the tokens it was decoded as; the rest tokenized ──┐
    adapter ──> its slot, and the first place of its invocation ─────────────────────────────────────────┴─> Job

Text that is kept is not tokenized again: what a model wrote may be spelled in other tokens than a tokenizer would
choose, and then nothing of it could be gone on from.
"""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.engine.kv_store import KVStore
from pluralism_local.engine.markers import Marked
from pluralism_local.engine.prompter import Prompter
from pluralism_local.engine.recurring import Recurring
from pluralism_local.engine.schedule import BASE_SLOT, Job, Prefix, common_prefix, token_of
from pluralism_local.engine.slots import Slots
from pluralism_local.errors import ContextOverflow, InvalidInput, Unsupported
from pluralism_local.types import AdapterRef, Message


class JobMaker:
    """Makes jobs of at most `context` tokens, of `most` that are possible; `store` knows what is kept.

    Attributes:
        recurring: finds what recurs of prompts.
    """

    def __init__(
        self,
        prompter: Prompter,
        slots: Slots,
        store: KVStore,
        context: int,
        *,
        most: int | None = None,
    ) -> None:
        self._prompter, self._slots, self._store = prompter, slots, store
        self.recurring = Recurring(prompter)
        self._context, self._most = context, most or context

    def job(
        self,
        index: int,
        prompt: Marked,
        ref: AdapterRef | None,
        room: int,
        messages: Sequence[Message] = (),
    ) -> Job:
        """The prompt as tokens, with its adapter's slot and starting point, and what recurs of its `messages`.

        Raises:
            InvalidInput: the prompt is empty.
            ContextOverflow: prompt and room exceed the context.
            Unsupported: an activated adapter whose header the prompt lacks.
        """
        tokens = self._tokens(prompt)
        if not tokens:
            raise InvalidInput("The prompt is empty.")
        if len(tokens) + room > self._context:
            raise ContextOverflow(
                f"The prompt has {len(tokens)} tokens and the answer may take {room}: together "
                f"{len(tokens) + room}, but the context holds {self._context}.",
                self._way_out(),
                needed=len(tokens) + room,
                available=self._context,
            )
        slot = self._slots.number(ref)
        switch = self._switch(prompt, tokens, ref, slot)
        of_the_base = len(tokens) if slot == BASE_SLOT else switch
        return Job(
            index, tokens, slot, switch, room, _fitting(self.recurring.prefix(messages), tokens[:of_the_base])
        )

    def check(self, prompt: Marked, tokens: Sequence[int], ref: AdapterRef | None) -> None:
        """Refuse an adapter that would act nowhere in the prompt.

        Raises:
            Unsupported: an activated adapter whose header the prompt lacks.
        """
        if ref is not None:
            self._switch(prompt, tokens, ref, self._slots.number(ref))

    def _way_out(self) -> str:
        larger = "use a model with a larger context"
        if self._context < self._most:
            larger = f"set --ctx-size, up to {self._most}"
        return f"Shorten the prompt, lower --max-tokens, or {larger}."

    def _tokens(self, prompt: Marked) -> tuple[int, ...]:
        with self._store.lock:
            entry = self._store.spelled(prompt)
        if entry is None:
            return self._prompter.tokens(prompt)
        spelled = tuple(token_of(code) for code in entry.codes)
        return spelled + self._prompter.more_tokens(Marked(prompt[len(entry.text) :]), after=entry.text)

    def _switch(self, prompt: Marked, tokens: Sequence[int], ref: AdapterRef | None, slot: int) -> int:
        """Where the adapter begins to act; 0 for the base and for an adapter that acts always."""
        if ref is None or slot == BASE_SLOT or ref.activation != "assistant":
            return 0
        invocation = self._slots.invocation(slot) or self._prompter.answer_header()
        places = _occurrences(tokens, invocation)
        if not places:
            raise Unsupported(
                f"The adapter {ref.path.name} acts from the assistant's header on, and this prompt has none.",
                "Use --template auto, and a model with the adapter's chat template.",
            )
        if len(places) == 1 or self._prompter.steers(invocation):
            return places[0]
        # a header of plain words may stand in a message, too; two pieces of a prompt that are tokenized apart may
        # differ from the whole by a token or so, but not by a header
        header = len(self._prompter.tokens(self._prompter.before_header(prompt)))
        return min(places, key=lambda place: abs(place - header))


def _fitting(prefix: Prefix | None, tokens: Sequence[int]) -> Prefix | None:
    """`prefix` if `tokens` begin with it; its last token may be joined to what follows it here."""
    if prefix is None or common_prefix(prefix.tokens, tokens) < len(prefix.tokens) - 1:
        return None
    return prefix


def _occurrences(tokens: Sequence[int], sought: Sequence[int]) -> list[int]:
    """Where `sought` begins in `tokens`, in order; nowhere if it is empty."""
    if not sought:
        return []
    last = len(tokens) - len(sought)
    return [start for start in range(last + 1) if tuple(tokens[start : start + len(sought)]) == tuple(sought)]
