"""One streamed answer of a server, chunk by chunk, and when it has gone on long enough.

Reply… ──RemoteAnswer.add──> text that is certain ──ending──> how it ended, and what is strange with that
"""

from __future__ import annotations

from pluralism_local.engine.remote_refusals import Server
from pluralism_local.engine.remote_reply import Reply, ending
from pluralism_local.engine.stream import TextStream
from pluralism_local.engine.thoughts import ThoughtSplitter
from pluralism_local.types import Finish, Request, Usage

PIECES_PER_TOKEN = 16  # chunks that a server may send for each token it was allowed; some send each letter
MORE_PIECES = 64  # chunks without text, before and after the answer
LETTERS_PER_TOKEN = 256  # of the longest tokens there are; a server may send its whole answer in one chunk


class RemoteAnswer:
    """An answer as it comes in.

    Attributes:
        pieces: chunks so far.
        stops: what the text goes through; looks for the stop texts that the server does not.
        thoughts: what the text goes through next, and where a server's own field of thoughts goes.
        cut: nothing more is to be read.
    """

    def __init__(self, request: Request, server: Server) -> None:
        self.pieces = 0
        self.stops = TextStream()
        self.thoughts = ThoughtSplitter()
        self.cut = False
        self._server = server
        self._most_pieces = request.sampling.max_tokens * PIECES_PER_TOKEN + MORE_PIECES
        self._most_letters = (request.sampling.max_tokens + MORE_PIECES) * LETTERS_PER_TOKEN
        self._texts = 0
        self._reason: str | None = None
        self._ends = False
        self._usage: Usage | None = None

    @property
    def spent(self) -> Usage:
        """The server's own counts; else the pieces of text."""
        return self._usage or Usage(completion=self._texts)

    def add(self, reply: Reply) -> str:
        """The text that a chunk makes certain; may be empty."""
        self.pieces += 1
        self._reason = reply.reason or self._reason
        self._ends = self._ends or reply.ends
        self._usage = reply.usage or self._usage
        self._texts += bool(reply.text or reply.thought)
        self.thoughts.think(reply.thought)
        text = self.stops.push(reply.text.encode("utf-8", "replace"))
        too_long = self.pieces >= self._most_pieces or len(self.stops.text) >= self._most_letters
        self.cut = self.stops.stopped or too_long
        return text

    def ending(self) -> tuple[Finish, tuple[str, ...]]:
        """How it ended, and sentences about what is strange with that; as `remote_reply.ending`."""
        if self.stops.stopped:
            return "stop", ()
        if self.cut and not self._ends and self._reason is None:
            return "length", ("The server did not stop at the limit of tokens, and was left.",)
        return ending(
            self._reason, self._server, ends=self._ends, text=bool(self.stops.text or self.thoughts.thought)
        )
