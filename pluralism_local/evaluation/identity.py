"""What a run is: everything that its numbers depend on, as one hash.

    task, data, samples, pool, models, prompts, sampling, version ──identify──> Identity(fields, id)

Two runs of one id may share a folder: the second goes on where the first stopped. Anything else in that folder is
`Refused`, and the message says what differs: a model file that changed, another seed, another pool.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local import __version__, modes
from pluralism_local.communities import Pool
from pluralism_local.errors import Refused, Unsupported
from pluralism_local.evaluation.methods import BASELINES
from pluralism_local.evaluation.samples import Sample
from pluralism_local.evaluation.stored import StoredRun
from pluralism_local.evaluation.strict_records import read_object
from pluralism_local.evaluation.tasks import Task
from pluralism_local.files import digest, write_atomic
from pluralism_local.mode_specs import Orders
from pluralism_local.modes.relisting import orders_in
from pluralism_local.modes.wordings import Wording
from pluralism_local.prompts import OVERTON_CLAIM, OVERTON_SENTENCE, OVERTON_STANCE, OVERTON_STATED
from pluralism_local.remote_url import without_credentials
from pluralism_local.types import ModelInfo, Sampling

SCHEMA = "plocal.eval.run/1"
RUN_FILE = "run.json"


@dataclass(frozen=True)
class Identity:
    """`fields` is JSON-ready; `id` is 12 hex digits of its sha256."""

    fields: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Short enough for a folder's name."""
        return digest(self.fields)[:12]


def model_key(info: ModelInfo) -> str:
    """What a model's numbers depend on: its file, and the weights that run where they are not the file's own."""
    file = info.sha256 or f"{info.backend}:{info.id}"
    return file if info.weights is None else f"{file}:{info.weights}"


def identify(
    task: Task,
    samples: Sequence[Sample],
    pool: Pool,
    *,
    llm: ModelInfo,
    communities: ModelInfo,
    comment: Sampling,
    answer: Sampling,
    template: str = "auto",
    orders: Orders = "asked",
) -> Identity:
    """The identity of a run. Methods are no part of it: they may be added to a run later.

    Nor are orders, where options are asked as the file has them: as every run did before there was a choice.
    """
    return Identity(
        {
            "task": task.name,
            "task_version": task.version,
            "samples": {"n": len(samples), "sha256": digest([sample.id for sample in samples])},
            "pool": {"id": pool.id, "members": [member_record(member) for member in pool.members]},
            "llm": _model(llm),
            "communities_model": _model(communities),
            "prompts": rendered(task, samples) | of_modes(task),
            "comment": sampling_record(comment),
            "answer": sampling_record(answer),
            "template": template,
            "version": __version__,
        }
        | ({} if orders == "asked" else {"orders": _orders(samples, orders)})
    )


def _orders(samples: Sequence[Sample], orders: Orders) -> dict[str, str]:
    """The rule, and the sha256 of what it comes to for these samples."""
    realised = [orders_in(sample.question, sample.options, orders) for sample in samples]
    return {"rule": orders, "sha256": digest(realised)}


def rendered(task: Task, samples: Sequence[Sample]) -> dict[str, str]:
    """Use, such as ``"answer"``, to 12 hex digits of the sha256 of all that `task` asks there of `samples`.

    The text as models get it, with comments of fixed words, and not the templates: what is put together in code counts,
    too. Uses that the task has no wording for are left out.
    """
    first, second = "A comment.", "Another comment."
    uses: dict[str, Callable[[Sample], Wording]] = {
        "comment": task.comment,
        "vanilla": task.vanilla,
        "prompting": task.prompting,
        "alone": task.alone,
        "moe_select": lambda sample: task.moe_select(sample, (first, second)),
        "moe_answer": lambda sample: task.moe_answer(sample, first),
        "select": lambda sample: task.select(sample, (first, second)),
        "answer": lambda sample: task.answer(sample, first),
        "synthesis": lambda sample: task.synthesis(sample, (first, second)),
    }
    digests = {}
    for use, put in uses.items():
        with suppress(Unsupported):
            digests[use] = digest([put(sample).text for sample in samples])[:12]
    return digests


def of_modes(task: Task) -> dict[str, str]:
    """Mode, of those that a run of `task` may carry out, to 12 hex digits of the prompts that are its algorithm's own.

    Modes that word everything as the task does are left out.
    """
    own = {mode: modes.own_prompts(mode) for mode in dict.fromkeys((task.mode, *BASELINES))}
    return {
        mode: digest([prompt.text for prompt in prompts])[:12] for mode, prompts in own.items() if prompts
    }


def of_positions() -> str:
    """12 hex digits of all that a model is told for the attributed answer, beside the comments' prompts.

    No part of a run's identity, which methods may be added to later; it stands in that method's answers.
    """
    prompts = (OVERTON_CLAIM, OVERTON_SENTENCE, OVERTON_STANCE, OVERTON_STATED)
    return digest([prompt.text for prompt in prompts])[:12]


def claim(folder: Path, identity: Identity, about: Mapping[str, Any]) -> None:
    """Make `folder` the run's, or see that it is; `about` is kept beside the identity (command, data file, dates).

    Raises:
        Refused: it belongs to another run. InvalidInput: its run.json is damaged.
    """
    record = read_run(folder)
    if record is None:
        record = {
            "schema": SCHEMA,
            "id": identity.id,
            "identity": dict(identity.fields),
            "about": dict(about),
        }
        write_atomic(folder / RUN_FILE, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
        return
    if record["id"] == identity.id:
        _remember(folder, record, about)
    else:
        different = ", ".join(_differences(record["identity"], identity.fields)) or "its identity"
        raise Refused(
            f"{folder} holds another run: {different} differ{'s' if ',' not in different else ''}.",
            "Give another --output, or use the very model, data and options that it was begun with.",
        )


def _remember(folder: Path, record: dict[str, Any], about: Mapping[str, Any]) -> None:
    """A run that is given more methods has them from then on, whoever shows it; its scorer is the one named last.

    So are the file and the choice that its samples, the same ones, come from: a file may have been moved.
    """
    before, spec = record["about"].get("wanted", {}), about.get("wanted", {})
    changed = {}
    if added := [name for name in spec.get("methods", ()) if name not in before["methods"]]:
        changed["methods"] = [*before["methods"], *added]
    if spec.get("scorer") not in (None, before.get("scorer")):
        changed["scorer"] = spec["scorer"]
    changed |= {
        name: spec[name]
        for name in ("data", "limit", "draw")
        if name in spec and spec[name] != before.get(name)
    }
    if changed:
        before.update(changed)
        write_atomic(folder / RUN_FILE, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def read_run(folder: Path) -> dict[str, Any] | None:
    """The record that `claim` left; None if there is none.

    Raises:
        InvalidInput: it is damaged, or has another form.
    """
    try:
        record = read_object(folder / RUN_FILE, SCHEMA, StoredRun)
    except FileNotFoundError:
        return None
    _leave_credentials_out(record)
    return record


def _leave_credentials_out(run: dict[str, Any]) -> None:
    """Earlier versions kept the names of models as they were typed, user names and passwords of URLs included."""
    spec = run["about"]["wanted"]
    for names in (spec, spec["settings"]):
        for key in ("model", "communities_model"):
            if names.get(key) is not None:
                names[key] = without_credentials(names[key])


def _differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Dotted names of what differs, in order."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys((*a, *b)):
            yield from _differences(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))
    elif a != b:
        yield path


def member_record(member: Any) -> dict[str, Any]:
    """What a member's comments depend on, and its weight; JSON-ready."""
    ref = member.adapter
    persona = member.community.persona or ""
    return {
        "community": member.community.id,
        "weight": member.weight,
        "adapter_sha256": None if ref is None else ref.sha256,
        "scale": None if ref is None else ref.scale,
        "persona_sha256": hashlib.sha256(persona.encode()).hexdigest()[:12],
    }


def _model(info: ModelInfo) -> dict[str, Any]:
    fields = {"id": info.id, "backend": info.backend, "sha256": info.sha256}
    return fields if info.weights is None else {**fields, "weights": info.weights}


def sampling_record(sampling: Sampling) -> dict[str, Any]:
    """How texts are drawn; JSON-ready."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
