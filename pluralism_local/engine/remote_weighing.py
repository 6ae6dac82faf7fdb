"""Options weighed by a server: by the first token's probabilities, or by answers that are drawn and counted.

options, line ──one token with top_logprobs──> bounded() ──> OptionDistribution
              └ where the server shows none, and `RemoteOptions.samples` says how many ──> counted()
"""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.engine.remote_fields import Payload
from pluralism_local.engine.remote_line import Line
from pluralism_local.engine.remote_protocol import FIRST_TOKEN_FIELDS, RemoteOptions, bounded
from pluralism_local.engine.remote_refusals import (
    NoLogprobs,
    Server,
    ThinksFirst,
    no_first_token,
    no_logprobs,
    thinks_first,
)
from pluralism_local.engine.remote_reply import check_given
from pluralism_local.engine.remote_samples import DRAWN_FIELDS, THINKING_TOKENS, counted, without_thought
from pluralism_local.errors import Unsupported
from pluralism_local.types import OptionDistribution


class Weighing:
    """Weighs options on one server, and remembers whether it shows probabilities."""

    def __init__(self, options: RemoteOptions, server: Server) -> None:
        self._options, self._server = options, server
        self._counts_answers = options.logprobs == "no"

    def weigh(self, line: Line, payload: Payload, options: Sequence[str]) -> OptionDistribution:
        """The probabilities of `options` as the answer to what `payload` asks.

        Raises:
            Unsupported: the server gives no logprobs and no answers may be drawn, or an option takes several tokens.
            RemoteFailure: as the line says.
        """
        tokens = DRAWN_FIELDS["max_tokens"]
        if not self._counts_answers:
            try:
                return self._read_first_token(line, payload, options)
            except Unsupported as error:
                if not self._options.samples or self._options.logprobs == "yes":
                    raise
                self._counts_answers = isinstance(error, NoLogprobs)
                tokens = THINKING_TOKENS if isinstance(error, ThinksFirst) else tokens
        payload = payload | DRAWN_FIELDS | {"max_tokens": tokens}
        answers = []
        for seed in range(self._options.samples):
            reply = line.ask(payload | {"seed": seed})
            check_given(reply.reason, self._server)
            answers.append(without_thought(reply.text))
        return counted(options, answers)

    def _read_first_token(self, line: Line, payload: Payload, options: Sequence[str]) -> OptionDistribution:
        for seed in range(3):
            reply = line.ask(payload | FIRST_TOKEN_FIELDS | {"seed": seed})
            if reply.thought and not reply.text:
                raise thinks_first(self._server)
            check_given(reply.reason, self._server)
            if reply.first_token is not None:
                return bounded(options, reply.first_token, self._server)
            if reply.text:
                break
        raise no_first_token(self._server) if reply.ended_at_once else no_logprobs(self._server)
