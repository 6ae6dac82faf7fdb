"""Prompt lookup: the next tokens, guessed from what followed where the same tokens stood before.

    prompt and text so far ──draft──> guesses ──the lane decodes them behind the last token, in one batch──>
    the sampler draws at each place as it would have anyway ──add──> how good such guesses are

An answer that weighs comments repeats much of them, and a batch of a few rows costs less than as many steps. A guess is
taken as long as it equals the drawn token; at the first other one the rest of the batch is dropped. Every token is so
drawn from the model's own distribution, with the same random number as without lookup: the text is the same, but for
rounding, which depends on the number of rows of a batch.

How many tokens are guessed depends on the share of guesses that came true so far in this text, by the length of the
agreement they were made from, and on the cost of a batch (`RowCosts`). That share is seen whether or not a guess was
decoded, so nothing is spent on finding out. Clocks play no part: the same request makes the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence

RowCosts = tuple[float, ...]
"""Seconds of a batch of 1, 2, 3 … rows, as multiples of the first; at most that many rows are decoded together."""

CPU_ROW_COSTS: RowCosts = (1.0, 2.0, 2.7, 3.4, 4.2, 5.0, 5.8, 6.5)
"""What is taken for a CPU that nobody measured, the dearest seen: few cores soon have enough to multiply."""

GPU_ROW_COSTS: RowCosts = tuple(1 + 0.05 * more for more in range(12))
"""The same where the weights are on a GPU, which waits for its memory."""

_LEAST_GAIN = 1.1
"""Tokens a second, of those without guesses, that guesses must promise."""

_GRAMS = (4, 3, 2, 1)
"""Lengths of agreement that are looked for, the longest first."""

_LONGEST = 16
"""Agreement of more tokens counts as this one."""

_FIRST_SHARES = (0.05, 0.2, 0.5, 0.7, 0.8)
"""Shares of guesses taken to come true before any was seen; of agreements of 1, 2-3, 4-7, 8-15 and 16 tokens."""

_STEP = 0.1
"""What one more guess counts for in such a share."""


class PromptLookup:
    """Guesses for one text, which begins as `prompt` and grows by `add`."""

    def __init__(self, prompt: Sequence[int], costs: RowCosts) -> None:
        self._costs = costs
        self._tokens = list(prompt)
        self._behind: dict[tuple[int, ...], int] = {}
        for end in range(1, len(self._tokens)):
            self._note(end)
        self._shares = list(_FIRST_SHARES)
        self._place, self._agreement = 0, 0
        self._find()

    def draft(self, most: int) -> list[int]:
        """At most `most` tokens that are worth a row each, as what comes next; often none."""
        if not self._agreement:
            return []
        count, best = 0, _LEAST_GAIN
        chance, expected = 1.0, 1.0
        for size in range(1, min(most, len(self._costs) - 1) + 1):
            chance *= self._shares[_class(self._agreement + size - 1)]
            expected += chance
            if expected / self._costs[size] > best:
                count, best = size, expected / self._costs[size]
        # a guess that reaches the present end goes on as what repeats itself does
        period = len(self._tokens) - self._place
        return [self._tokens[self._place + ahead % period] for ahead in range(count)]

    def add(self, token: int) -> None:
        """This is what came next."""
        is_hit = False
        if self._agreement:
            is_hit = self._tokens[self._place] == token
            kind = _class(self._agreement)
            self._shares[kind] += _STEP * (is_hit - self._shares[kind])
        self._note(len(self._tokens))
        self._tokens.append(token)
        if is_hit:
            self._place += 1
            self._agreement = min(self._agreement + 1, _LONGEST)
        else:
            self._agreement = 0
        self._find()

    def _note(self, end: int) -> None:
        """The tokens before place `end`, where something follows them."""
        for size in _GRAMS:
            if size <= end:
                self._behind[tuple(self._tokens[end - size : end])] = end

    def _find(self) -> None:
        """Look for an agreement longer than the one that is gone on with; of equal ones, the last."""
        for size in _GRAMS:
            if size <= self._agreement or size > len(self._tokens):
                continue
            place = self._behind.get(tuple(self._tokens[-size:]))
            if place is not None:
                self._place, self._agreement = place, size
                return


def _class(agreement: int) -> int:
    """Which of the shares an agreement of that many tokens belongs to."""
    return min(agreement, _LONGEST).bit_length() - 1
