"""What a run rests on: everything of its identity, and which samples are left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.report.blocks import Block, Details, Heading, Paragraph, Table
from pluralism_local.evaluation.report.views import ABSENT, RunView
from pluralism_local.model_names import without_folders


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """Per run its identity, its communities, its prompts and what is left out."""
    content: list[Block] = []
    for run in runs:
        content += [Heading(run.title), Paragraph(run.line, "aside"), _left_out(run)]
        reasons = tuple(_reasons(run))
        if reasons:
            head = ("method", "error", "samples", "the first one's message")
            content.append(Table("Failures by kind", head, reasons))
        if run.bases:
            content.append(_answers(run))
        content += [
            _identity(run),
            Details("Communities and adapters", (_communities(run),)),
            Details("Prompts", (_prompts(run),)),
        ]
    return content


def _left_out(run: RunView) -> Paragraph:
    if run.record is None:
        return Paragraph("Nothing of this run is scored.")
    n, samples = run.record["n"], run.record["wanted"]
    if n == samples:
        return Paragraph("Every method answered every sample; none is left out.")
    parts = [f"{name} failed on {count}" for name, count in run.record.get("failed", {}).items() if count] + [
        f"{name} has not come to {count}" for name, count in run.record.get("missing", {}).items() if count
    ]
    return Paragraph(
        f"{samples - n} of {samples} samples are left out for all methods alike, since a comparison needs answers of "
        f"every method: {', '.join(parts)}."
    )


def _reasons(run: RunView) -> Iterator[tuple[str, ...]]:
    """(method, error's code, samples, a message), by method."""
    for method, answers in run.results.items():
        failures = [answer for answer in answers.values() if isinstance(answer, RequestFailure)]
        for code, count in sorted(Counter(failure.code for failure in failures).items()):
            message = next(failure.message for failure in failures if failure.code == code)
            yield method, code, str(count), message


def _answers(run: RunView) -> Table:
    """How each method's answers came about, and how many are none."""
    kinds = list(dict.fromkeys(kind for basis in run.bases.values() for kind in basis["distributions"]))
    counts = [name for name in _COUNTS if any(basis[name] for basis in run.bases.values())]
    means = [name for name in _MEANS if any(basis.get(name) is not None for basis in run.bases.values())]
    head = [_KINDS.get(kind, kind) for kind in kinds] + [_COUNTS[name] for name in counts]
    return Table(
        "How the answers came about",
        ("method", "answers", *head, *(_MEANS[name] for name in means)),
        tuple(
            (
                method,
                str(basis["n"]),
                *(str(basis["distributions"].get(kind, 0)) for kind in kinds),
                *(str(basis[name]) for name in counts),
                *(ABSENT if basis.get(name) is None else f"{basis[name]:.3f}" for name in means),
            )
            for method, basis in run.bases.items()
        ),
    )


_KINDS = {
    "exact": "exact probabilities",
    "top_logprobs": "probabilities within bounds",
    "uniform": "stand-in, at least in part",
    "only": "a single option",
    "unknown": "not known how",
}
_MEANS = {
    "outside": "probability outside the options, mean",
    "order_effect": "order effect, mean",
}
_COUNTS = {
    "stand_ins": "stand-ins",
    "partly": "stand-ins in part",
    "unparsed": "unreadable",
    "empty": "empty",
    "unchosen": "no community named",
    "unclear": "several communities named",
}


def _identity(run: RunView) -> Table:
    identity = run.identity
    about: Mapping[str, Any] = run.run.get("about", {})
    data = str(about.get("wanted", {}).get("data", "")).replace("\\", "/").rpartition("/")[2]
    rows = [
        ("run", run.id),
        ("folder", run.name),
        ("begun", str(about.get("begun", ABSENT))),
        ("task", f"{run.task}, version {identity['task_version']}"),
        ("data file", data or ABSENT),
        ("samples", f"{identity['samples']['n']}, sha256 of their ids {identity['samples']['sha256']}"),
        ("LLM", _model(identity["llm"])),
        ("communities' model", _model(identity["communities_model"])),
        ("pool", run.pool),
        ("orders of options", (identity.get("orders") or {"rule": "asked"})["rule"]),
        ("comments", _sampling(identity["comment"])),
        ("answers", _sampling(identity["answer"])),
        ("version", f"pluralism_local {identity['version']}"),
    ]
    return Table(f"Identity of run {run.id}", ("what", "value"), tuple(rows))


def _communities(run: RunView) -> Table:
    return Table(
        f"Communities of the pool {run.pool}",
        ("community", "weight", "adapter (sha256)", "scale", "persona (sha256)"),
        tuple(
            (
                str(member["community"]),
                f"{member['weight']:.4g}",
                str(member["adapter_sha256"] or "none: speaks through its persona"),
                ABSENT if member["scale"] is None else f"{member['scale']:g}",
                str(member["persona_sha256"]),
            )
            for member in run.identity["pool"]["members"]
        ),
    )


def _prompts(run: RunView) -> Table:
    rows = tuple((str(name), str(value)) for name, value in run.identity["prompts"].items())
    return Table("Prompts, by the first 12 hex digits of their sha256", ("prompt", "sha256"), rows)


def _model(model: Mapping[str, Any]) -> str:
    return f"{without_folders(str(model['id']))} ({model['backend']}), sha256 {model['sha256'] or 'unknown'}"


def _sampling(sampling: Mapping[str, Any]) -> str:
    return (
        f"temperature {sampling['temperature']:g}, top-p {sampling['top_p']:g}, "
        f"at most {sampling['max_tokens']} tokens, seed {sampling['seed']}"
    )
