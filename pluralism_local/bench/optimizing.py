"""The measurements behind `plocal models optimize`: a source against its candidates, and which one is chosen.

    Subject, CopyWork ──Optimizer.run──> CopyReport ──> record() for JSON, or a table by the CLI
                          └─ each candidate: written onto a shelf of the cache, speeds, memory, divergence
    Report, place ──Optimizer.keep──> the chosen file beside its source, with a note

The source's speeds are those of an ask (see `fast_weights`), its divergence from others is that of the file itself.
Candidates lie in the cache until a run is through, so that one that was interrupted does not write them again; all are
measured anew, since speeds of two runs are not comparable. The source's speeds are taken before and after all others.
A candidate that fails is reported and stops nobody.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pluralism_local.bench.candidates import UNQUANTIZED, FileTypeCandidate, plan
from pluralism_local.bench.copies import CopyReport, CopyWork, Figures, Subject, ask_seconds
from pluralism_local.bench.divergence import Reference, reference_bytes
from pluralism_local.bench.memory import forget_peak, peak_rss_mb
from pluralism_local.bench.speeds import Lengths, Speeds, speeds
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.handles import Model
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.model_safety import ModelSafety, Setup
from pluralism_local.engine.quantizer import quantize
from pluralism_local.engine.runner import physical_cores
from pluralism_local.engine.shelf import CANDIDATES, Shelf
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput, PlocalError
from pluralism_local.files import key_of
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models import optimized
from pluralism_local.models.details import describe, parts, read_model_header

LENGTHS = Lengths(prompt=128, answer=16)
"""Of the runs: short, since there are many."""

_MOST_CANDIDATES = 8
"""Files on the shelf, of all sources that were not done with."""

Tell = Callable[[str, float | None], None]
"""Told what is done now: at its beginning with None, then with the share that is done."""


class Optimizer:
    """One run over a model.

    Args:
        cache_dir: whose shelf holds the candidates.
        options: how an ask would open the model.

    Raises:
        InvalidInput: there is nothing to try, or what the user named is not worth trying.
        NotFound: the model, or a part of it, is not there.
    """

    def __init__(
        self,
        subject: Subject,
        work: CopyWork,
        cache_dir: Path,
        options: LlamaOptions,
        *,
        tell: Tell = lambda _what, _share: None,
        should_stop: ShouldStop = never,
    ) -> None:
        self._subject, self._work, self._tell, self._should_stop = subject, work, tell, should_stop
        self._folder = cache_dir / CANDIDATES
        self._shelf = Shelf(self._folder)
        self._threads = options.threads or physical_cores()
        self._options = replace(options, ignore_end=True, lookup=False, threads=self._threads)
        self._header = read_model_header(subject.path)
        self._candidates, self._left_out = plan(self._header, work.kinds)
        if work.chosen and work.chosen not in {candidate.kind for candidate in self._candidates}:
            (chosen,), _ = plan(self._header, {work.chosen})
            self._candidates = [*self._candidates, chosen]
            self._left_out = [left for left in self._left_out if left.kind != work.chosen]
        self._files = {
            candidate.kind: self._shelf.find(self._key(candidate.kind)) for candidate in self._candidates
        }

    @property
    def already_written(self) -> list[Path]:
        """Candidates that lie on the shelf."""
        return [path for path in self._files.values() if path is not None]

    def check_space(self, place: Path | None) -> None:
        """See that the disk has room for all candidates, and at `place` (None: nothing is kept) for one.

        Raises: InvalidInput with the numbers.
        """
        missing = [candidate for candidate in self._candidates if self._files[candidate.kind] is None]
        scratch = sum(candidate.expected_bytes for candidate in missing)
        scratch += reference_bytes(len(self._header.metadata.get("tokenizer.ggml.tokens") or ()))
        self._folder.mkdir(parents=True, exist_ok=True)
        what = f"Trying {', '.join(candidate.kind for candidate in missing)}" if missing else "Measuring"
        _check_room(self._folder, scratch, f"{what} takes", "Try fewer with --try TYPE")
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
            if place.stat().st_dev != self._folder.stat().st_dev:
                largest = max(candidate.expected_bytes for candidate in self._candidates)
                _check_room(place, largest, "Keeping one takes up to", "Keep it elsewhere with PLOCAL_HOME")

    def run(self) -> CopyReport:
        """Measure the source and every candidate.

        Raises:
            Cancelled: stopped before a candidate was measured; else the report says so.
            InvalidInput, EngineFailure, OSError: the source cannot be run, or nothing can be written.
        """
        measured: list[Figures] = []
        failed: dict[str, str] = {}
        own_type = describe(self._subject.path).quantization
        complete, drift = True, None
        self._folder.mkdir(parents=True, exist_ok=True)
        with Reference(self._folder) as reference:
            source = self._measure_source(reference, own_type)
            try:
                for number, candidate in enumerate(self._candidates, 1):
                    label = f"{candidate.kind} ({number} of {len(self._candidates)})"
                    try:
                        measured.append(self._measure_candidate(reference, candidate, label))
                    except Cancelled:
                        raise
                    except PlocalError as error:
                        failed[candidate.kind] = error.message
                path, sha256 = self._subject.path, self._subject.sha256
                again, _, _ = self._speeds(path, sha256, self._options, "source again")
                drift = source.ask_seconds / ask_seconds(again)
                source = replace(source, speeds=_between(source.speeds, again))
            except Cancelled:
                if not measured:
                    raise
                complete = False
        return CopyReport(
            subject=self._subject,
            work=self._work,
            threads=self._threads,
            requantized=own_type not in UNQUANTIZED,
            source=source,
            candidates=tuple(measured),
            left_out=tuple(self._left_out),
            failed=failed,
            complete=complete,
            drift=drift,
        )

    def keep(self, report: CopyReport, place: Path, data_dir: Path) -> optimized.OptimizedCopy:
        """Move the chosen candidate to `place`, with its note.

        Raises:
            EngineFailure: nothing is chosen, or a file changed meanwhile.
            Cancelled, InvalidInput, OSError: see `optimized.keep`.
        """
        figures = next(
            (candidate for candidate in report.candidates if candidate.kind == report.chosen), None
        )
        candidate = self._files[figures.kind] if figures is not None else None
        if figures is None or candidate is None:
            raise EngineFailure("No candidate is chosen that could be kept.")
        kind = figures.kind
        source = optimized.stamp(parts(self._subject.path), self._subject.sha256)
        if source.file_bytes != self._header.file_bytes:
            raise EngineFailure("The model's file has changed while it was measured.", "Run it again.")
        copy = optimized.OptimizedCopy(
            path=place,
            source=source,
            kind=kind,
            file_bytes=figures.file_bytes,
            sha256=self._sha256(candidate),
            written=datetime.now(UTC).isoformat(timespec="seconds"),
            llama_cpp=version("llama-cpp-python"),
            requantized=report.requantized,
            figures={"source": report.source.record(), "copy": figures.record()},
        )
        self._tell(f"keeping {kind}", None)
        optimized.keep(
            candidate, copy, data_dir, lambda share: self._tell(f"keeping {kind}", share), self._should_stop
        )
        return copy

    def discard(self) -> None:
        """Throw this run's candidates away."""
        for path in self.already_written:
            self._shelf.discard(path)

    def _measure_source(self, reference: Reference, own_type: str) -> Figures:
        path, sha256 = self._subject.path, self._subject.sha256
        rates, memory, runs_as = self._speeds(path, sha256, self._options, "source")
        with self._open(path, sha256) as model:
            divergence = reference.record(
                model,
                threads=self._threads,
                progress=self._sharing("source: reading the text"),
                should_stop=self._should_stop,
            )
        return Figures(own_type, runs_as or own_type, self._header.file_bytes, memory, rates, divergence)

    def _measure_candidate(self, reference: Reference, candidate: FileTypeCandidate, label: str) -> Figures:
        path = self._written(candidate, label)
        sha256 = self._sha256(path)
        rates, memory, _ = self._speeds(path, sha256, replace(self._options, weights_dir=None), label)
        with self._open(path, sha256) as model:
            divergence = reference.compare(
                model,
                threads=self._threads,
                progress=self._sharing(f"{label}: reading the text"),
                should_stop=self._should_stop,
            )
        return Figures(candidate.kind, candidate.kind, path.stat().st_size, memory, rates, divergence)

    def _written(self, candidate: FileTypeCandidate, label: str) -> Path:
        """The candidate's file, written unless it is there.

        Raises: EngineFailure, Cancelled, OSError
        """
        path = self._files[candidate.kind]
        if path is None:
            progress = self._sharing(f"{label}: writing")
            path = self._shelf.add(
                self._key(candidate.kind),
                {"model": str(self._subject.path.absolute()), "kind": candidate.kind},
                lambda out: quantize(
                    self._subject.path,
                    out,
                    candidate.kind,
                    threads=self._threads,
                    expected_bytes=candidate.expected_bytes,
                    progress=progress,
                    should_stop=self._should_stop,
                ),
                _MOST_CANDIDATES,
            )
            self._files[candidate.kind] = path
        if fingerprint(read_model_header(path)) != self._subject.fingerprint:
            raise EngineFailure(
                "what llama.cpp wrote has other tensors than the source; adapters would not fit"
            )
        return path

    def _speeds(
        self, path: Path, sha256: str, options: LlamaOptions, label: str
    ) -> tuple[Speeds, int | None, str | None]:
        """Speeds, peak memory in bytes, and the type of the copy that it runs from, if it does."""
        self._tell(f"{label}: opening", None)
        can_forget = forget_peak()
        with LlamaEngine(
            path,
            name=self._subject.name,
            sha256=sha256,
            fingerprint=self._subject.fingerprint,
            options=options,
            should_stop=self._should_stop,
        ) as engine:
            lengths = replace(LENGTHS, prompt=min(LENGTHS.prompt, (engine.info.context or 256) // 4))
            rates = speeds(
                engine,
                self._work.repeats,
                lengths,
                progress=self._sharing(f"{label}: measuring"),
                should_stop=self._should_stop,
            )
            runs_as = engine.info.weights
        peak = peak_rss_mb() if can_forget else None
        return rates, None if peak is None else round(peak * 1e6), runs_as

    def _open(self, path: Path, sha256: str) -> Model:
        """The file itself on the CPU, where divergence is measured whatever asks run on."""
        safety = ModelSafety(self._options.trial_dir, threads=self._threads, should_stop=self._should_stop)
        setup = safety.setup(path, sha256, Setup())
        return Model(path, repack=setup.repack, should_stop=self._should_stop)

    def _sharing(self, what: str) -> Callable[[float], None]:
        self._tell(what, None)
        return lambda share: self._tell(what, share)

    def _key(self, kind: str) -> str:
        return key_of(f"{kind} {self._subject.sha256} {version('llama-cpp-python')}")

    def _sha256(self, path: Path) -> str:
        digests = {entry.path: entry.sha256 for entry in self._shelf.entries()}
        digest = digests.get(path)
        if digest is None:
            raise EngineFailure(f"{path} is gone from the cache.", "Run it again.")
        return digest


def _between(before: Speeds, after: Speeds) -> Speeds:
    """Geometric means of both."""
    pairs = zip(astuple(before), astuple(after), strict=True)
    return Speeds(*(math.sqrt(rate * other) for rate, other in pairs))


def _check_room(folder: Path, needed: int, what: str, hint: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InvalidInput(
            f"{what} {needed / 1e9:.1f} GB in {folder}, and {free / 1e9:.1f} GB are free there.",
            f"{hint}, or free some space.",
        )
