"""`plocal eval run | resume`: a run in a folder, and going on with it."""

from __future__ import annotations

from dataclasses import replace

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.eval import run_options
from pluralism_local.cli.eval.folders import RunName, find_run, settings_of
from pluralism_local.cli.eval.running import run_or_resume
from pluralism_local.cli.eval.score import TaskName
from pluralism_local.evaluation.scorer_names import ADAPTER, NO_SCORER
from pluralism_local.mode_specs import SPECS

_BASELINES = ", ".join(spec.name for spec in SPECS.values() if spec.baseline)

EPILOG = f"""
\b
Methods: ours, {_BASELINES}; persona (ours, with personas on the base in place of adapters); attributed (ours on
texts, built from the positions of the comments, as with plocal ask --prompts own); and the controls uniform,
majority and shuffled, which ask no model. Default: all that the task has but persona and attributed.

\b
Examples:
  plocal eval run --task distributional-globalopinionqa --data globalopinionqa.json --limit 200 --dry-run
  plocal eval run --task distributional-globalopinionqa --data globalopinionqa.json --limit 200
  plocal eval run --task steerable-vk --data vk.json --pool cultures --method ours --method vanilla --limit 50

Everything finished is kept at once: the same command, or plocal eval resume RUN, goes on after an interruption
with the same numbers. Comments are kept in the run's folder, and other runs of this data folder do not
ask for them again.
"""

ANSWER_TOKENS = 200


def run(
    context: typer.Context,
    task: TaskName,
    data: run_options.DataFile,
    method: run_options.Methods = None,
    limit: run_options.SampleLimit = None,
    sample: run_options.SampleSeed = None,
    output: run_options.RunOutput = None,
    scorer: run_options.RunScorer = None,
    model: options.Model = None,
    communities_model: options.CommunitiesModel = None,
    pool: options.PoolName = None,
    community: options.CommunityNames = None,
    orders: run_options.OptionOrders = None,
    seed: options.Seed = None,
    max_tokens: run_options.ResponseTokens = None,
    comment_max_tokens: options.CommentMaxTokens = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    template: options.Template = None,
    retry_failed: run_options.RetryFailed = False,
    dry_run: run_options.DryRun = False,
    offline: options.Offline = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Run methods on a task, keep every answer, and show the scores."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.methods import default_methods, find_methods
    from pluralism_local.evaluation.run_folder import SETTINGS, RunSpec
    from pluralism_local.evaluation.tasks import find_task
    from pluralism_local.models import store

    options.pool_or_communities(pool, community)
    overrides = options.settings_given(locals())
    overrides["max_tokens"] = ANSWER_TOKENS if max_tokens is None else max_tokens
    overrides["orders"] = orders or "asked"
    settings = options.load(out, overrides).settings
    file = store.data_file(data)
    spec = RunSpec(
        task=task,
        data=str(file.resolve()),
        methods=tuple(find_methods(method) if method else default_methods(find_task(task))),
        limit=limit,
        draw=sample,
        scorer=scorer or (NO_SCORER if find_task(task).judged else ADAPTER),
        communities=tuple(community or ()),
        communities_model=communities_model,
        settings={name: getattr(settings, name) for name in SETTINGS},
        output=None if output is None else str(output.expanduser().resolve()),
        force=force,
    )
    default_local = wiring.local_default(overrides)
    run_or_resume(out, settings, spec, default_local, retry=retry_failed, dry_run=dry_run)


def resume(
    context: typer.Context,
    run: RunName,
    method: run_options.FurtherMethods = None,
    model: run_options.BegunModel = None,
    communities_model: run_options.BegunCommunitiesModel = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    retry_failed: run_options.RetryFailed = False,
    offline: options.Offline = None,
    as_json: options.Json = False,
) -> None:
    """Go on with a run exactly as it was begun.

    What a run begun elsewhere names (a model, a server, a pool's file, a scorer) is opened only if you name it, too,
    or allowed it: plocal config trust RUN
    """
    out = options.output(context, as_json=as_json)
    from pluralism_local.cli.eval.others import allow
    from pluralism_local.evaluation.methods import find_methods

    folder = find_run(run)
    begun = folder.spec
    overrides = {"gpu_layers": gpu_layers, "threads": threads, "offline": offline}
    spec, settings = allow(
        replace(
            begun, methods=tuple(find_methods([*begun.methods, *(method or ())])), output=str(folder.path)
        ),
        folder.path,
        settings_of(out, begun, overrides),
        ("model", "communities_model", "pool", "scorer"),
        {"model": model, "communities_model": communities_model},
    )
    default_local = wiring.local_default({})
    run_or_resume(out, settings, spec, default_local, retry=retry_failed, dry_run=False)
