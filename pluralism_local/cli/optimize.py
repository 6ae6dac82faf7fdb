"""`plocal models optimize`: which quantization of a model is fastest here and near enough, and keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import options
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.output import Output, table
from pluralism_local.display.figures import bar, size
from pluralism_local.errors import Cancelled, PlocalError

if TYPE_CHECKING:
    from pluralism_local.bench.copies import CopyReport, Figures, Subject
    from pluralism_local.bench.optimizing import Optimizer, Tell
    from pluralism_local.config import Settings
    from pluralism_local.engine.llama import LlamaOptions
    from pluralism_local.models.optimized import OptimizedCopy
    from pluralism_local.models.store import ModelFile

EPILOG = """
\b
Examples:
  plocal models optimize hf:user/repo:F16
  plocal models optimize big --dry-run
  plocal models optimize big --try Q4_0 --try Q8_0 --keep Q8_0
  plocal ask -m big@fast "Should phones be banned in schools?"

\b
ask       seconds of an ask by the three speeds: 600 tokens read, six comments of 128 in one batch, 200 of answer
divergence  mean KL of the next token from the source's, in nats, over a fixed text; 0 is the source itself
perplexity  of that text; lower is surer

Speeds are medians of short runs, the source's taken before and after the others: leave the machine alone meanwhile,
and heed the warning where both differ. A file larger than the source is tried only if
the source's own type is slow here. The copy kept lies beside the source, or in the data folder where that is another
program's; adapters for the source fit it. -m MODEL@fast is the copy kept last, -m MODEL@Q4_0 the one of that type.
"""

BAR = 12

Name = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="starter, a path to a .gguf, an alias, or hf:user/repo[:QUANT]."),
]
Try = Annotated[
    list[str] | None,
    typer.Option(
        "--try", metavar="TYPE", help="Try this type only; may be repeated. Default: all that are fast here."
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(
        "--keep",
        metavar="TYPE",
        help="Keep this one whatever the figures. Default: the fastest within --most-kl.",
    ),
]
MostKl = Annotated[
    float,
    typer.Option(
        "--most-kl",
        metavar="NATS",
        help="Divergence that a copy may have to be kept. Default: 0.1.",
        show_default=False,
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        "--repeats",
        metavar="N",
        help="Runs of each speed; the median counts. Default: 3.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Measure and recommend; keep nothing. Default: off.")]


def optimize(
    context: typer.Context,
    name: Name,
    kinds: Try = None,
    keep: Keep = None,
    most_kl: MostKl = 0.1,
    repeats: Repeats = 3,
    dry_run: DryRun = False,
    threads: options.Threads = None,
    gpu_layers: options.GpuLayers = None,
    as_json: options.Json = False,
) -> None:
    """Try other quantizations of a model on this machine, and keep the fastest that is near enough as MODEL@fast."""
    out = options.output(context, as_json=as_json)
    from pluralism_local import config
    from pluralism_local.bench.candidates import find_kind
    from pluralism_local.bench.copies import CopyWork
    from pluralism_local.bench.optimizing import Optimizer
    from pluralism_local.cli.interrupt import catching
    from pluralism_local.model_names import COPY_TYPES
    from pluralism_local.models import optimized, store

    tried = tuple(dict.fromkeys(map(find_kind, kinds or ())))
    work = CopyWork(tried, None if keep is None else find_kind(keep), most_kl, repeats)
    settings = options.load(out, {"threads": threads, "gpu_layers": gpu_layers}).settings
    file = store.resolve(name, settings)
    paths = config.paths()

    def place(kind: str) -> Path:
        return optimized.target(file.path, kind, paths.data_dir, is_managed=store.is_managed(file))

    with catching(out) as interrupt:
        optimizer = Optimizer(
            _subject(out, name, file),
            work,
            paths.cache_dir,
            _engine_options(settings),
            tell=_telling(out),
            should_stop=interrupt,
        )
        optimizer.check_space(None if dry_run else place(COPY_TYPES[0]).parent)
        if optimizer.already_written:
            out.note(f"{len(optimizer.already_written)} of them were written by a run that was stopped.")
        interrupt.graceful = True
        report = optimizer.run()
        copy = None
        if report.chosen is not None and not dry_run:
            copy = _keep(out, optimizer, report, place(report.chosen))
        if report.complete and (copy is not None or report.chosen is None or dry_run):
            optimizer.discard()
    out.clear_status()
    record = {
        **report.record(),
        "kept": None if copy is None else {"path": str(copy.path), "kind": copy.kind},
    }
    out.show(record, _text(out, report))
    _conclude(out, report, copy, optimizer, dry_run=dry_run)


def _keep(out: Output, optimizer: Optimizer, report: CopyReport, place: Path) -> OptimizedCopy | None:
    """Keep the chosen copy; None if that was stopped. What was measured is shown before an error is raised."""
    from pluralism_local import config

    try:
        return optimizer.keep(report, place, config.paths().data_dir)
    except Cancelled:
        return None
    except (PlocalError, OSError):
        if out.format == "text":
            out.line(_text(out, report))
        raise


def _subject(out: Output, name: str, file: ModelFile) -> Subject:
    from pluralism_local import config
    from pluralism_local.bench.copies import Subject
    from pluralism_local.errors import InvalidInput
    from pluralism_local.models import store
    from pluralism_local.models.optimized import is_copy

    if file.source == "plocal" or is_copy(file.path):
        raise InvalidInput(f"'{name}' was made by optimize itself.", "Give the model it was made of.")
    out.status(f"reading {file.path.name} …")
    return Subject(name, file.path, *store.identity(file, config.paths().cache_dir))


def _engine_options(settings: Settings) -> LlamaOptions:
    """As an ask opens a model."""
    from pluralism_local import config
    from pluralism_local.engine.llama import LlamaOptions
    from pluralism_local.engine.model_safety import TRIALS
    from pluralism_local.engine.shelf import WEIGHTS

    cache = config.paths().cache_dir
    return LlamaOptions(
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        trial_dir=cache / TRIALS,
        weights_dir=cache / WEIGHTS if settings.weights == "auto" else None,
    )


def _telling(out: Output) -> Tell:
    """Progress in one line on a terminal; elsewhere a line for each step."""

    def tell(what: str, share: float | None) -> None:
        if out.interactive:
            out.status(f"{what} …" if share is None else f"{what}: {share:.0%}")
        elif share is None:
            out.note(f"{what} …")

    return tell


def _conclude(
    out: Output, report: CopyReport, copy: OptimizedCopy | None, optimizer: Optimizer, *, dry_run: bool
) -> None:
    """What came of it, and the exit code."""
    model, work = report.subject.name, report.work
    rule = f"within {work.most_kl:g} nats of the source and at least 5 % faster"
    if not report.complete or (report.chosen is not None and copy is None and not dry_run):
        out.exit = ExitCode.PARTIAL
        size = sum(path.stat().st_size for path in optimizer.already_written) / 1e9
        out.note(
            f"Stopped; nothing is kept. What is written ({size:.1f} GB) stays in the cache for the next run; "
            "`plocal cache clear copies` removes it."
        )
        return
    if report.is_noisy and report.drift is not None:
        out.warn(
            f"The source ran {report.drift:.2f} times as fast at the end as at the beginning: other work was measured, "
            "too. Run it again when the machine is quiet."
        )
    if report.recommended is None:
        out.note(f"Recommended: the source as it is; no copy is {rule}.")
    else:
        out.note(f"Recommended: {report.recommended}, the fastest copy {rule}.")
    if copy is not None:
        out.note(f"Kept {copy.kind}: {copy.path}")
        out.note(f"Use it with: -m {model}@fast")
    elif dry_run:
        out.note("Nothing is kept (--dry-run).")
    if report.failed:
        out.exit = ExitCode.PARTIAL


def _text(out: Output, report: CopyReport) -> str:
    """The report for people: a line per file, a bar for how many times as fast as the source."""
    from pluralism_local.bench.copies import ratios

    fastest = max(ratio for _, ratio in ratios(report))
    rows = [_row(out, report, figures, ratio, fastest) for figures, ratio in ratios(report)]
    head = [
        "",
        "ask",
        "times as fast",
        "prompts",
        "one",
        "eight",
        "size",
        "memory",
        "divergence",
        "perplexity",
    ]
    lines = [
        f"{report.subject.name} · {report.threads} threads · tokens/s are medians of {report.work.repeats}",
        "",
        table(rows, head),
    ]
    lines += [f"{kind}  failed: {problem}" for kind, problem in report.failed.items()]
    if report.requantized:
        lines += [
            "",
            f"The source is quantized already ({report.source.kind}), its copies twice: "
            "copies of an F16 file of the same model are nearer to it.",
        ]
    lines += [f"not tried: {left.kind}, {left.reason}" for left in report.left_out]
    return "\n".join(lines)


def _row(out: Output, report: CopyReport, figures: Figures, ratio: float, fastest: float) -> list[str]:
    block = "▇" if out.unicode else "#"
    is_source = figures is report.source
    runs_as = f" as {figures.runs_as}" if figures.runs_as != figures.kind else ""
    rates: list[Any] = [figures.speeds.prefill_tok_s, figures.speeds.decode_tok_s, figures.speeds.batch_tok_s]
    return [
        f"source {figures.kind}{runs_as}" if is_source else figures.kind,
        f"{figures.ask_seconds:.1f} s",
        f"{ratio:.2f} {bar(ratio / fastest, BAR, block)}",
        *(f"{rate:.0f}" for rate in rates),
        size(figures.file_bytes),
        "-" if figures.memory_bytes is None else size(figures.memory_bytes),
        f"{figures.divergence.kl_nats:.4f}",
        f"{figures.divergence.perplexity:.2f}",
    ]
