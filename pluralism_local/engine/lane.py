"""A lane: one context that carries out waves, one after the other.

    Wave ──> begin: clean context, adapter on, known prefixes restored
         ──> prompts decoded in chunks, shared cells once
         ──> generate: one token per unfinished sequence and step, more where guesses come true     (events)
             score:    log-probabilities of token paths after each prompt

A lane starts every wave from an empty context, so a wave gives the same text in whichever lane and order it runs;
what is worth keeping between waves lives in the `KVStore`. Different lanes share the model's weights and may run
in parallel threads. Stopping raises `Cancelled` inside; the next wave cleans up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.context import Context
from pluralism_local.engine.counters import Counters
from pluralism_local.engine.grammar import Grammars
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.kv_store import Entry, KVStore
from pluralism_local.engine.lookup import PromptLookup, RowCosts
from pluralism_local.engine.markers import Marked
from pluralism_local.engine.pace import Pace
from pluralism_local.engine.rotation import ANY_SIZE, CellBounds
from pluralism_local.engine.sampling import Sampler, most_probable
from pluralism_local.engine.schedule import Code, Job, Prefix, Row, RowHook, Wave, encode, prefill_rows
from pluralism_local.engine.scoring import Path, prefixes_to_decode
from pluralism_local.engine.stream import TextStream
from pluralism_local.engine.thoughts import ThoughtSplitter, is_tag
from pluralism_local.engine.writer import Writer, WriterTask
from pluralism_local.errors import Cancelled, EngineFailure
from pluralism_local.types import EngineEvent, TextStarted

SEQUENCES = 16
"""Sequences per context: batches beyond this gain little on a CPU, and each costs a row of logits."""

_GROWTH = 256
_POLLED_ROWS = 32


class Lane:
    """One context over `model`, made as large as its waves need.

    Args:
        banned: tokens that are never drawn.
        row_costs: what rows of a batch cost, for guesses (see `lookup`); empty for none.
        hook: of its contexts, see `Context`.
    """

    def __init__(
        self,
        model: Model,
        store: KVStore,
        threads: int,
        *,
        banned: Sequence[int] = (),
        flash: bool = False,
        bounds: CellBounds = ANY_SIZE,
        row_costs: RowCosts = (),
        make_pace: Callable[[int], Pace] = Pace,
        hook: RowHook | None = None,
    ) -> None:
        self._model, self._store, self._banned, self._flash = model, store, banned, flash
        self._row_costs, self._grammars = row_costs, Grammars(model)
        self._bounds, self._make_pace, self._hook = bounds, make_pace, hook
        self._threads = threads
        self._context: Context | None = None
        self._active: tuple[Adapter | None, float] = (None, 1.0)
        self.counters = Counters()

    def reserve(self, cells: int, threads: int) -> None:
        """Make room for a wave of `cells`, and use `threads` from now on."""
        context = self._context
        if context is None or context.cells < cells:
            if context is not None:
                context.close()
                self._context = None
            rounded = -(-self._bounds.clamp(cells) // _GROWTH) * _GROWTH
            self._context = Context(
                self._model,
                cells=self._bounds.clamp(rounded),
                sequences=SEQUENCES,
                threads=threads,
                flash=self._flash,
                make_pace=self._make_pace,
                hook=self._hook,
            )
            self._active = (None, 1.0)
        elif threads != self._threads:
            context.set_threads(threads)
        self._threads = threads

    def cells_for(self, wave: Wave) -> int:
        """Cells that `wave` takes with what the store can restore for it: entries overlap, prompts do not."""
        paths = {i: job.codes for i, job in enumerate(wave.jobs)}
        with self._store.lock:
            hits = {i: self._store.best(codes, len(codes) - 1) for i, codes in paths.items()}
        restorable = {i: hit for i, hit in hits.items() if hit is not None}
        restored = sum({id(entry): len(entry.codes) for entry, _ in restorable.values()}.values())
        rows = prefill_rows(paths, {i: (id(entry), length) for i, (entry, length) in restorable.items()})
        return max(wave.cells, self._bounds.clamp(restored + len(rows) + sum(job.room for job in wave.jobs)))

    def close(self) -> None:
        """Free the context."""
        if self._context is not None:
            self._context.close()
            self._context = None

    @property
    def _live(self) -> Context:
        if self._context is None:
            raise EngineFailure("The engine is closed.")
        return self._context

    def next_token_logits(
        self, tokens: Sequence[int], adapter: Adapter | None, scale: float
    ) -> npt.NDArray[np.float32]:
        """Logits [n_vocab] float32 after `tokens`, decoded on their own."""
        self._use(adapter, scale)
        self._live.forget()
        rows = prefill_rows({0: encode(tokens)}, {})
        self._decode(rows, None)
        return self._live.logits(len(rows) - 1).copy()

    def logits_of_slots(
        self, tokens: Sequence[int], slots: Sequence[int], stack: Adapter
    ) -> list[npt.NDArray[np.float32]]:
        """The same in each of `slots`, which `stack` holds, all in one batch."""
        self._use(stack, 1.0)
        self._live.forget()
        rows = prefill_rows({i: encode(tokens, slot) for i, slot in enumerate(slots)}, {})
        self._decode(rows, None)
        return [self._live.logits(i).copy() for i, row in enumerate(rows) if row.output]

    def remember(self, wave: Wave, should_stop: ShouldStop) -> None:
        """Decode a wave of base prefixes and keep each in the store.

        Raises:
            Cancelled: `should_stop` turned true.
        """
        for sequence, _ in self._prompts(wave, None, 1.0, should_stop, {}):
            job = wave.jobs[sequence]
            with self._store.lock:
                self._store.put(Entry(job.codes, self._live.save(sequence)))

    def read(self, prefix: Prefix, head: Entry | None, should_stop: ShouldStop) -> Entry:
        """The cells of `prefix`, decoded after those of its `head` and with nothing else in the context.

        So they are the same whatever was read before or is read beside them.

        Raises:
            Cancelled: `should_stop` turned true.
            DamagedWeights: the model computes no numbers.
        """
        context, codes = self._live, encode(prefix.tokens)
        self._use(None, 1.0)
        context.forget()
        ready: dict[int, tuple[object, int]] = {}
        if head is not None and context.restore(0, head.data):
            ready[0] = None, len(head.codes)
        for part in _parts(prefill_rows({0: codes}, ready), context.chunk, context.sequences):
            self._decode(part, should_stop if len(part) > _POLLED_ROWS else None)
            if should_stop():
                raise Cancelled
            for row, last in enumerate(part):
                if last.output:
                    most_probable(context.logits(row))  # damaged weights must not be kept for later
        return Entry(codes, context.save(0), lasting=True)

    def generate(
        self,
        wave: Wave,
        tasks: Mapping[int, WriterTask],
        adapter: Adapter | None,
        scale: float,
        should_stop: ShouldStop,
    ) -> Iterator[EngineEvent]:
        """Generate every job of `wave` together; `tasks` by job index. Never raises Cancelled.

        Raises:
            InvalidInput: a task's grammar cannot be used.
        """
        began = time.perf_counter()
        writers: dict[int, Writer] = {}
        for sequence, job in enumerate(wave.jobs):
            task = tasks[job.index]
            grammar = None if task.grammar is None else self._grammars.begin(task.grammar)
            # where a text may end is the grammar's to say
            sampler = Sampler(task.sampling, () if grammar else self._banned, grammar)
            stream = TextStream((*task.sampling.stop, *task.stops))
            lookup = self._lookup(job) if len(wave.jobs) == 1 else None
            writers[sequence] = Writer(
                job, task, sequence, sampler, stream, ThoughtSplitter(), 0, began, lookup
            )
        reused: dict[int, int] = {}
        waiting = set(writers)
        try:
            for sequence, row in self._prompts(wave, adapter, scale, should_stop, reused):
                writer = writers[sequence]
                writer.reused = reused[sequence]
                waiting.discard(sequence)
                job = writer.job
                if writer.task.lingers:
                    with self._store.lock:
                        self._store.linger(job.codes, partial(self._live.save, sequence))
                yield TextStarted(job.index, len(job.tokens), writer.reused)
                if writer.task.keep and not self._store.can_be_cut(
                    len(job.tokens) + job.room, len(job.tokens)
                ):
                    self._put(writer, job.codes, "")
                yield from self._take(writer, row)
            while running := [w for w in writers.values() if w.finish is None]:
                if should_stop():
                    raise Cancelled
                yield from self._step(running)
        except Cancelled:
            for writer in writers.values():
                job = writer.job
                if writer.sequence in waiting:
                    yield TextStarted(job.index, len(job.tokens), 0)
                if writer.finish is None:
                    yield from writer.rest()
                    yield writer.done()
        finally:
            self._grammars.close()

    def _lookup(self, job: Job) -> PromptLookup | None:
        """For texts that are written alone: rows of several texts fill a batch by themselves."""
        return (
            PromptLookup(job.tokens, self._row_costs) if self._row_costs and self._model.can_be_cut else None
        )

    def _draft(self, writer: Writer) -> list[int]:
        """What is guessed to come next and worth decoding; nothing that ends a text or spells nothing."""
        if writer.lookup is None:
            return []
        most = min(writer.task.sampling.max_tokens - len(writer.tokens) - 1, self._live.sequences - 1)
        return list(takewhile(self._model.piece, writer.lookup.draft(most)))

    def _step(self, running: Sequence[Writer]) -> Iterator[EngineEvent]:
        """Decode the last token of each text with what is guessed to follow, and go on with all that came true."""
        drafts = [self._draft(writer) for writer in running]
        rows = [writer.next_rows(draft) for writer, draft in zip(running, drafts, strict=True)]
        self._decode([row for own in rows for row in own], None)
        first = 0
        for writer, draft in zip(running, drafts, strict=True):
            yield from self._follow(writer, draft, first)
            first += 1 + len(draft)

    def _follow(self, writer: Writer, draft: Sequence[int], row: int) -> Iterator[EngineEvent]:
        """Draw at `row` and, as long as the guesses come true, at the rows behind it; drop the cells of the others."""
        before = len(writer.tokens)
        yield from self._take(writer, row)
        for ahead, guess in enumerate(draft, start=1):
            if writer.finish is not None or writer.tokens[-1] != guess:
                break
            yield from self._take(writer, row + ahead)
        came = zip(draft, writer.tokens[before:], strict=False)
        accepted = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], came))
        self.counters.drafted += len(draft)
        self.counters.accepted += accepted
        self.counters.decoded_tokens -= len(draft) - accepted
        if writer.finish is None and accepted < len(draft):
            self._live.forget(writer.sequence, writer.length - 1)

    def _take(self, writer: Writer, row: int) -> Iterator[EngineEvent]:
        """Draw the next token of `writer` from `row`; its events."""
        job, sampling = writer.job, writer.task.sampling
        token = writer.sampler.draw(self._live.logits(row))
        ended = token is None or self._model.ends_answer(token)
        if token is not None and not ended:
            writer.add(token)
            yield from writer.thoughts.deltas(job.index, writer.stream.push(self._shown(token)))
        if ended or writer.stream.stopped:
            writer.finish = "stop"
        elif len(writer.tokens) >= sampling.max_tokens:
            writer.finish = "length"
        if writer.finish is None:
            return
        yield from writer.rest()
        if writer.task.keep:
            self._keep(writer, whole=ended)
        self._live.forget(writer.sequence)
        yield writer.done()

    def _keep(self, writer: Writer, *, whole: bool) -> None:
        """Store the finished sequence. Unless it ended by itself (`whole`), its last token was never decoded."""
        job = writer.job
        decoded = writer.tokens if whole else writer.tokens[:-1]
        # no text spells a control token, and no template repeats a thought: no follow-up's prompt has either
        if writer.thoughts.thought:
            decoded = []
        silent = next((i for i, token in enumerate(decoded) if not self._model.piece(token)), len(decoded))
        decoded = decoded[:silent]
        # behind a stop text, or inside a character, there is nothing that a follow-up's prompt could spell
        while not writer.stream.text.startswith(spelled := self._spelled(decoded)):
            decoded = decoded[:-1]
        cells = len(job.tokens) + len(writer.tokens) - (not whole)
        if not self._store.can_be_cut(cells, length := len(job.tokens) + len(decoded)):
            return
        self._live.forget(writer.sequence, length)
        self._put(writer, job.codes + encode(decoded, job.slot), spelled)

    def _put(self, writer: Writer, codes: tuple[Code, ...], answer: str) -> None:
        """Store the sequence of `writer` as it is, under the text that a follow-up finds it by."""
        text = Marked(writer.task.prompt + writer.task.quote(answer))
        entry = Entry(codes, self._live.save(writer.sequence), text)
        with self._store.lock:
            self._store.put(entry)

    def _shown(self, token: int) -> bytes:
        """The bytes a token adds to the text; the tags of thoughts are seen even where they are control tokens."""
        piece = self._model.piece(token)
        if not piece and is_tag(tag := self._model.spelling(token)):
            return tag.encode()
        return piece

    def _spelled(self, tokens: Sequence[int]) -> str:
        return b"".join(map(self._model.piece, tokens)).decode("utf-8", "replace")

    def score(
        self,
        wave: Wave,
        paths: Mapping[int, Sequence[Sequence[Path]]],
        adapter: Adapter | None,
        scale: float,
        should_stop: ShouldStop,
        lingering: Collection[int] = (),
    ) -> dict[int, dict[Path, float]]:
        """Joint log-probabilities (natural) of each job's option paths, by job index.

        The wave leaves sequences free for the branches of long options, if it has any. The prompts of jobs `lingering`
        are kept for others.

        Raises:
            Cancelled: `should_stop` turned true.
        """
        conditional: dict[int, dict[Path, float]] = {job.index: {} for job in wave.jobs}
        for sequence, row in self._prompts(wave, adapter, scale, should_stop, {}):
            job = wave.jobs[sequence]
            self._note(conditional[job.index], paths[job.index], (), row)
            if job.index in lingering:
                with self._store.lock:
                    self._store.linger(job.codes, partial(self._live.save, sequence))
        for sequence, job in enumerate(wave.jobs):
            heads = prefixes_to_decode(paths[job.index])
            spare = range(len(wave.jobs), SEQUENCES)
            for begin in range(0, len(heads), max(1, len(spare))):
                if should_stop():
                    raise Cancelled
                branches = dict(zip(spare, heads[begin : begin + len(spare)], strict=False))
                self._branches(sequence, job, branches, paths[job.index], conditional[job.index])
        return {
            index: {
                path: sum(table[path[: i + 1]] for i in range(len(path)))
                for option in paths[index]
                for path in option
            }
            for index, table in conditional.items()
        }

    def _branches(
        self,
        sequence: int,
        job: Job,
        branches: Mapping[int, Path],
        options: Sequence[Sequence[Path]],
        table: dict[Path, float],
    ) -> None:
        """Decode `branches` (sequence id -> tokens after the prompt) and note what follows each token."""
        for spare in branches:
            self._live.share(sequence, spare)
        length = len(job.tokens)
        rows = prefill_rows(
            {spare: job.codes + encode(path, job.slot) for spare, path in branches.items()},
            dict.fromkeys(branches, (sequence, length)),
        )
        for row in rows:
            row.output = True
        for chunk in _parts(rows, self._live.chunk, self._live.sequences):
            self._decode(chunk, None)
            for i, row in enumerate(chunk):
                head = branches[row.sequences[0]][: row.position - length + 1]
                self._note(table, options, head, i)
        for spare in branches:
            self._live.forget(spare)

    def _note(
        self, table: dict[Path, float], options: Sequence[Sequence[Path]], head: Path, row: int
    ) -> None:
        """Record log p(token | prompt, head) for every path that goes on from `head`; summed in float64."""
        logits = self._live.logits(row)
        top = float(logits.max())
        log_total = top + float(np.log(np.exp(logits - logits.max()).sum(dtype=np.float64)))
        for paths in options:
            for path in paths:
                if len(path) > len(head) and path[: len(head)] == head:
                    table[path[: len(head) + 1]] = float(logits[path[len(head)]]) - log_total

    def _prompts(
        self,
        wave: Wave,
        adapter: Adapter | None,
        scale: float,
        should_stop: ShouldStop,
        reused: dict[int, int],
    ) -> Iterator[tuple[int, int]]:
        """Decode a wave's prompts; yields (sequence, row) while the row's logits can be read.

        Sequence ids are positions in the wave. `reused` is filled with the cells each sequence did not decode.
        """
        if should_stop():
            raise Cancelled
        context = self._live
        self._use(adapter, scale)
        context.forget()
        paths: dict[int, Sequence[Code]] = {i: job.codes for i, job in enumerate(wave.jobs)}
        ready = self._restore(paths, sum(job.room for job in wave.jobs))
        rows = prefill_rows(paths, ready)
        for sequence in paths:
            decoded = sum(1 for row in rows if row.sequences[0] == sequence)
            reused[sequence] = len(paths[sequence]) - decoded
        self.counters.reused_tokens += sum(reused.values())
        for part in _parts(rows, context.chunk, context.sequences):
            self._decode(part, should_stop if len(part) > _POLLED_ROWS else None)
            for i, row in enumerate(part):
                if row.output:
                    for sequence in row.sequences:
                        if len(paths[sequence]) == row.position + 1:
                            yield sequence, i
            if should_stop():
                raise Cancelled

    def _restore(self, paths: Mapping[int, Sequence[Code]], room: int) -> dict[int, tuple[object, int]]:
        """Put known prefixes into place, each copied once; what is ready, as `prefill_rows` wants it."""
        context = self._live
        with self._store.lock:
            hits = {i: self._store.best(codes, len(codes) - 1) for i, codes in paths.items()}
        longest_first = sorted(
            ((hit[1], i, hit[0]) for i, hit in hits.items() if hit is not None),
            key=lambda choice: (-choice[0], choice[1]),
        )
        source_of = {id(entry): (i, entry) for _, i, entry in reversed(longest_first)}
        ready: dict[int, tuple[object, int]] = {i: (id(e), n) for n, i, e in longest_first}
        restored = sum(len(entry.codes) for _, entry in source_of.values())
        if restored + len(prefill_rows(paths, ready)) + room > context.cells:
            return {}  # entries that overlap each other would not fit; decoding does
        for length, sequence, entry in longest_first:
            source = source_of[id(entry)][0]
            if source == sequence:
                in_place = context.restore(sequence, entry.data)
            else:
                in_place = source in ready
                context.share(source, sequence)
            # some models' state cannot be cut (recurrent layers): decode these instead
            if not in_place or not context.forget(sequence, length):
                context.forget(sequence)
                del ready[sequence]
        return ready

    def _use(self, adapter: Adapter | None, scale: float) -> None:
        if self._active != (adapter, scale):
            self._live.set_adapter(adapter, scale)
            self._active = (adapter, scale)
            self.counters.adapter_switches += 1

    def _decode(self, rows: Sequence[Row], should_stop: ShouldStop | None) -> None:
        if not self._live.decode(rows, should_stop):
            raise Cancelled
        self.counters.decode_calls += 1
        self.counters.decoded_tokens += len(rows)


def _parts(rows: Sequence[Row], most_rows: int, most_outputs: int) -> Iterator[Sequence[Row]]:
    """Cut `rows` into parts of at most `most_rows`, at most `most_outputs` of these with logits wanted."""
    begin = outputs = 0
    for i, row in enumerate(rows):
        outputs += row.output
        if outputs > most_outputs or i - begin == most_rows:
            yield rows[begin:i]
            begin, outputs = i, int(row.output)
    yield rows[begin:]
