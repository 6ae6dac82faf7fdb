"""`plocal bench`: what this machine does with a model and a pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.output import Output, key_values
from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput, Unsupported
from pluralism_local.remote_url import without_credentials

if TYPE_CHECKING:
    from pluralism_local.bench.report import AskTimes, Report
    from pluralism_local.config import Settings
    from pluralism_local.engine.llama import LlamaOptions
    from pluralism_local.models.store import ModelFile

EPILOG = """
\b
Examples:
  plocal bench
  plocal bench --compare naive --json | jq .ratio
  plocal bench -m ~/models/larger.gguf --threads 8 --repeats 1
  plocal bench --plan --remeasure

Every answer runs to its full length, so that both sides of a comparison decode the same number of tokens. Figures
are medians after one warm-up. With --voices adapters the communities speak through adapters, and cards without one get
a seeded one of the shipped shape; with --voices personas through their personas in the system prompt. The naive loop is
llama-cpp-python's high-level API, a Llama(lora_path=…) per adapter, or one Llama for all personas: 'naive' with the
library's default threads, 'tuned' with as many as ours and the faster kind of attention. 'server' is llama.cpp's
llama-server, all comments at once. The next ask is another question to the same pool, by a fresh engine that finds what
the first one left on the disk.

\b
JSON (plocal.bench/1), seconds and tokens/s: ask, second_ask, naive, tuned_naive, server;
guesses, of the next ask: drafted, accepted; an answer that runs on past its end has more of them;
how many times as fast the first ask is: ratio, tuned_ratio, server_ratio; with second_ in front: the next ask;
peak_rss_mb over model_mb is memory_over_model.
"""

Comparison = Annotated[
    Literal["naive", "tuned", "both", "server"] | None,
    typer.Option(
        "--compare",
        help="Also time the loop one would write with the high-level API, or a llama-server, as the epilog says. "
        "Default: none.",
        show_default=False,
    ),
]
Repeats = Annotated[
    int, typer.Option("--repeats", metavar="N", help="Runs of each. Default: 3.", show_default=False)
]
CommentTokens = Annotated[
    int,
    typer.Option(
        "--comment-tokens", metavar="N", help="New tokens of each comment. Default: 128.", show_default=False
    ),
]
AnswerTokens = Annotated[
    int,
    typer.Option(
        "--answer-tokens", metavar="N", help="New tokens of the answer. Default: 200.", show_default=False
    ),
]


VoicesOption = Annotated[
    Literal["adapters", "personas"],
    typer.Option("--voices", help="What communities speak through. Default: adapters.", show_default=False),
]
ServerBinary = Annotated[
    Path | None,
    typer.Option(
        "--server",
        metavar="FILE",
        help="The llama-server to compare with. Default: the one on PATH.",
        show_default=False,
    ),
]
ShowPlan = Annotated[
    bool,
    typer.Option("--plan", help="Only show how this machine runs the model, and what that was chosen by."),
]
Remeasure = Annotated[
    bool,
    typer.Option("--remeasure", help="With --plan: measure anew, in at most half a minute."),
]

SampleCount = Annotated[
    int, typer.Option("--limit", min=1, metavar="N", help="Questions. Default: 8.", show_default=False)
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Rows of distributional-globalopinionqa. Default: made-up survey questions.",
        show_default=False,
    ),
]
EvalComparison = Annotated[
    Literal["naive", "tuned"] | None,
    typer.Option(
        "--compare",
        help="Also time the same requests one by one through the high-level API. Default: none.",
        show_default=False,
    ),
]

app = typer.Typer(
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(epilog=EPILOG)
def bench(
    context: typer.Context,
    model: options.Model = None,
    pool: options.PoolName = None,
    compare: Comparison = None,
    server: ServerBinary = None,
    voices: VoicesOption = "adapters",
    repeats: Repeats = 3,
    comment_tokens: CommentTokens = 128,
    answer_tokens: AnswerTokens = 200,
    threads: options.Threads = None,
    gpu_layers: options.GpuLayers = None,
    show_plan: ShowPlan = False,
    remeasure: Remeasure = False,
    as_json: options.Json = False,
) -> None:
    """Measure this machine: prompts, generation, batches, and a whole overton ask."""
    if context.invoked_subcommand is not None:
        return
    out = options.output(context, as_json=as_json)
    if remeasure and not show_plan:
        raise InvalidInput("--remeasure is for --plan.", "Add --plan.")
    if server is not None and compare != "server":
        raise InvalidInput("--server is for --compare server.", "Add --compare server.")
    from pluralism_local.bench.measure import bench as measure
    from pluralism_local.bench.report import Workload
    from pluralism_local.bench.server import find

    both = compare == "both"
    work = Workload(
        comment_tokens,
        answer_tokens,
        repeats,
        naive=both or compare == "naive",
        tuned=both or compare == "tuned",
        voices=voices,
        server=find(server) if compare == "server" else None,
    )
    overrides = {"model": model, "pool": pool, "threads": threads, "gpu_layers": gpu_layers}
    settings = options.load(out, overrides).settings
    file = _local_model(settings)
    if show_plan:
        from pluralism_local.cli.bench_plan import show

        show(out, settings, remeasure=remeasure, note=_noting(out))
        return
    communities = wiring.find_pool(wiring.library(settings), settings.pool, [])
    engine_options = _engine_options(settings)

    report = measure(file.path, file.name, communities, work, engine_options, _noting(out))
    out.show(report.record(), _text(report))


@app.command("eval")
def bench_eval(
    context: typer.Context,
    data: Data = None,
    limit: SampleCount = 8,
    compare: EvalComparison = None,
    model: options.Model = None,
    pool: options.PoolName = None,
    comment_tokens: CommentTokens = 128,
    threads: options.Threads = None,
    gpu_layers: options.GpuLayers = None,
    as_json: options.Json = False,
) -> None:
    """Time an evaluation: ours on survey questions, all comments included."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.bench.evaluation import TASK, made_up
    from pluralism_local.bench.evaluation import bench_eval as measure
    from pluralism_local.evaluation.sample_file import read_samples

    overrides = {"model": model, "pool": pool, "threads": threads, "gpu_layers": gpu_layers}
    settings = options.load(out, overrides).settings
    file = _local_model(settings)
    samples = made_up(limit) if data is None else read_samples(TASK, data)[:limit]
    report = measure(
        file.path,
        file.name,
        wiring.find_pool(wiring.library(settings), settings.pool, []),
        samples,
        comment_tokens,
        _engine_options(settings),
        _noting(out),
        compare=compare is not None,
        tuned=compare == "tuned",
    )
    ratio = None if report.ratio is None else f"plocal is {report.ratio:.2f} times as fast"
    text = key_values(
        [
            ("model", f"{report.model}, {many(report.threads, 'thread')}"),
            (
                "work",
                f"{many(report.samples, 'question')}, {many(report.communities, 'comment')} of "
                f"{many(comment_tokens, 'token')} each",
            ),
            ("plocal", f"{report.ours_seconds:.1f} s"),
            ("naive loop", None if report.naive_seconds is None else f"{report.naive_seconds:.1f} s"),
            ("ratio", ratio),
            ("peak memory", None if report.peak_rss_mb is None else f"{report.peak_rss_mb:.0f} MB"),
        ]
    )
    out.show(report.record(), text)


def _local_model(settings: Settings) -> ModelFile:
    from pluralism_local.models import store

    if wiring.server_of(settings.model, settings) is not None:
        raise Unsupported(
            f"'{without_credentials(settings.model)}' is no local model.", "Measure a GGUF file."
        )
    return store.resolve(settings.model, settings)


def _engine_options(settings: Settings) -> LlamaOptions:
    from pluralism_local import config
    from pluralism_local.engine.llama import LlamaOptions
    from pluralism_local.engine.model_safety import TRIALS
    from pluralism_local.engine.planner import PLANS

    return LlamaOptions(
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        ctx_size=settings.ctx_size,
        trial_dir=config.paths().cache_dir / TRIALS,
        plan_dir=config.paths().cache_dir / PLANS if settings.plan == "auto" else None,
    )


def _noting(out: Output) -> Callable[[str], None]:
    def note(text: str) -> None:
        if out.interactive:
            out.status(f"{text} …")
        else:
            out.note(text)

    return note


def _text(report: Report) -> str:
    """The report for people."""
    work = report.workload
    voices = "personas" if work.voices == "personas" else f"{report.adapters} adapters"
    lines = [
        f"{report.model} · pool {report.pool}: "
        f"{many(report.communities, 'community', 'communities')}, {voices} · {many(report.threads, 'thread')}",
        "",
        key_values(
            [
                ("prompts", f"{report.prefill_tok_s:.0f} tokens/s"),
                ("one answer", f"{report.decode_tok_s:.0f} tokens/s"),
                ("eight answers", f"{report.batch_tok_s:.0f} tokens/s together"),
                ("peak memory", _memory(report)),
                ("plan", report.plan),
                ("adapters ran", report.together or None),
                ("kernels", report.kernels.sentence() if report.kernels.dropped else None),
            ]
        ),
        "",
        f"overton ask: {many(report.communities, 'comment')} of "
        f"{many(work.comment_tokens, 'token')}, an answer of "
        f"{work.answer_tokens}",
        "",
        key_values(
            [
                ("plocal", _ask_line(report.ask)),
                ("  the next ask", None if report.second is None else _ask_line(report.second)),
                ("  guesses", _guesses(report)),
                ("naive loop", _versus(report, report.naive)),
                ("tuned loop", _versus(report, report.tuned)),
                ("llama-server", _versus(report, report.server)),
            ]
        ),
    ]
    return "\n".join(lines)


def _guesses(report: Report) -> str:
    """How many tokens of the answer cost a row of a batch instead of a step."""
    guesses = report.guesses
    if not guesses.drafted:
        return "none: nothing promised to come true"
    return f"{guesses.accepted:,} of {many(guesses.drafted, 'guessed token')} came true"


def _memory(report: Report) -> str | None:
    if report.peak_rss_mb is None:
        return None
    over = report.memory_over_model
    beside = "" if over is None else f", {over:.2f} times the model's file"
    return f"{report.peak_rss_mb:.0f} MB during the ask{beside}"


def _ask_line(times: AskTimes) -> str:
    return f"{times.seconds:6.1f} s   comments {times.comments_tok_s:.0f} tokens/s"


def _versus(report: Report, times: AskTimes | None) -> str | None:
    ratio, second = report.ratio(times), report.ratio(times, report.second)
    if times is None or ratio is None:
        return None
    told = f"plocal is {ratio['ask']:.1f} times as fast (comments {ratio['comments']:.1f})"
    if second is not None and report.second is not None:
        told += f", the next ask {second['ask']:.1f} ({second['comments']:.1f})"
    return f"{_ask_line(times)}   {told}"
