"""What `communities judge` does, in words: models opened, voices judged, or the plan of it, shown.

    VoicesSpec ──prepare──> VoiceJudging ──carry_out | estimate──> Output

Ctrl-C once finishes the question or the chunk and stops (exit 6); figures are shown of what was judged so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pluralism_local import wiring
from pluralism_local.cli.eval.progress import RateReporter, entailment_pace
from pluralism_local.cli.eval.scorers import open_scorer
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output, key_values
from pluralism_local.cli.voices.tables import text_of
from pluralism_local.display.figures import many

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.config import Settings
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.evaluation.voices.service import Openers, VoiceJudging, VoicesSpec


def run(out: Output, settings: Settings, spec: VoicesSpec, *, force: bool, dry_run: bool) -> None:
    """Do what is missing, and show the figures of what there is.

    Args:
        force: whether adapters of other bases may speak.
    """
    from pluralism_local import config
    from pluralism_local.evaluation.voices import service
    from pluralism_local.evaluation.voices.result import keep, result_of

    with ExitStack() as stack:
        interrupt = stack.enter_context(catching(out))
        judging = service.prepare(spec, config.paths().data_dir / "voices")
        openers = _openers(out, settings, interrupt, force=force)
        if dry_run:
            _show_plan(out, judging, openers)
            return
        folder = stack.enter_context(service.begin(judging))
        out.note(f"Kept in {folder}")
        hooks = service.VoicesHooks(partial(counting, out), partial(entailment_pace, out), interrupt)
        service.carry_out(judging, openers, hooks)
        result = result_of(judging)
        if judging.stopped:
            out.note("Stopped; the same command goes on.")
        if judging.stopped or result.voices is None:
            out.exit = ExitCode.PARTIAL
        for sentence in result.warnings:
            out.warn(sentence)
        keep(result, judging.folder)
        out.show(result.record, text_of(result, unicode=out.unicode))


def counting(out: Output, what: str) -> Callable[[int, int], None]:
    """Progress of (done, total) things, e.g. ``"comments"``."""
    reporter = RateReporter(out)
    return lambda done, total: reporter.report(done, total, f"{what}: {done:,} of {total:,}")


def _openers(out: Output, settings: Settings, interrupt: Interrupt, *, force: bool) -> Openers:
    from pluralism_local.evaluation.voices.service import Openers

    @contextmanager
    def open_model(name: str) -> Iterator[LanguageModel]:
        with wiring.open_engine(name, settings, out.status) as engine:
            out.clear_status()
            interrupt.graceful = True
            yield engine

    def fit(pool: Pool, engine: LanguageModel) -> Pool:
        fitted, warnings = wiring.fitting(pool, engine, force=force)
        for warning in warnings:
            out.warn(warning)
        return fitted

    return Openers(
        open_model, fit, lambda name: open_scorer(name, settings, out.status), wiring.habits(settings)
    )


def _show_plan(out: Output, judging: VoiceJudging, openers: Openers) -> None:
    """How much would be asked, and how long it takes at most."""
    from pluralism_local.evaluation.voices.estimate import estimate

    record = estimate(judging, openers)
    spec = judging.spec
    own = spec.comments is None
    text = key_values(
        [
            ("pool", judging.pool.id if own else None),
            ("model", spec.model if own else None),
            ("judge", spec.judge),
            ("questions", f"{len(judging.questions):,}"),
            (
                "comments",
                f"{record['comments']:,} to write, of at most {spec.sampling.max_tokens:,} tokens"
                if own
                else f"{len(judging.comments):,} given",
            ),
            ("answers", f"{record['answers']:,} to write" if record["answers"] else None),
            ("judge reads", f"{many(record['judged'], 'text')}, with three questions about each"),
            (
                "entailment",
                f"at most {record['entailment_pairs']:,} pairs" if record["entailment_pairs"] else None,
            ),
            ("time", f"at most about {many(max(1, round(record['minutes'])), 'minute')}, without entailment"),
            ("folder", judging.folder),
        ]
    )
    out.show({**record, "folder": str(judging.folder)}, text)
