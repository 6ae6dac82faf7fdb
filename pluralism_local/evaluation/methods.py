"""What each method does with a chunk of samples: the paper's three baselines, ours, and a control.

    vanilla, prompting   samples ──> the LLM
    moe                  ──> the LLM picks a community by its description ──> its comment ──> the LLM
    ours                 ──> all comments ──select | average | synthesis──> the LLM
    persona              ours, with every community speaking through its persona on the base instead of its adapter

A chunk goes through stage by stage, each stage one batch over all its samples. A sample whose comment, selection or
answer fails ends in a `Failure`; the others go on. Two more controls need no model and are made when scores are:
uniform and shuffled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pluralism_local.communities import Pool
from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.evaluation.asking import Failure
from pluralism_local.evaluation.comments import CommentStore, Said
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks import Task
from pluralism_local.evaluation.turns import Chosen, Results, Turns
from pluralism_local.modes.comments import Voice
from pluralism_local.modes.options import letters
from pluralism_local.types import OptionDistribution, Usage

METHODS = ("ours", "persona", "moe", "vanilla", "prompting")
"""In the order in which they run: those that need most comments first, so that the others find them there."""

CONTROLS = ("uniform", "shuffled")
WITH_COMMENTS = frozenset({"ours", "persona", "moe"})

Heard = dict[str, dict[str, str]]
"""By sample id and community id: what was said, maybe nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a sample. `usage` by role, "communities" and "llm", comments included whoever paid for them."""

    result: Prediction | Failure
    usage: dict[str, Usage] = field(default_factory=dict)


def find_methods(names: Sequence[str]) -> list[str]:
    """Known methods and controls, each once, in the order of running.

    Raises:
        InvalidInput: an unknown one.
    """
    known = (*METHODS, *CONTROLS)
    for name in names:
        if name not in known:
            raise InvalidInput(f"There is no method '{name}'.", did_you_mean(name, known))
    return [name for name in known if name in names]


def voices_for(method: str, pool: Pool, *, adapters: bool) -> list[Voice]:
    """The pool's members as a method lets them speak: through adapters, or through personas.

    Args:
        adapters: whether the communities' model takes adapters.

    Raises:
        InvalidInput: a community has no persona to speak through.
    """
    voices = []
    for member in pool.members:
        adapter = member.adapter if adapters and method != "persona" else None
        if adapter is None and not member.community.persona:
            raise InvalidInput(
                f"The community '{member.community.id}' has no persona to speak through.",
                "Leave the method persona out, or choose another pool.",
            )
        voices.append(Voice(member, adapter))
    return voices


class Method:
    """One method over one task, pool and LLM.

    Args:
        name: of `METHODS`.
        voices: see `voices_for`; empty for methods without comments.
        comments: where comments come from.
        turns: the LLM.
    """

    def __init__(
        self, name: str, task: Task, voices: Sequence[Voice], comments: CommentStore, turns: Turns
    ) -> None:
        self.name, self._task, self._voices = name, task, tuple(voices)
        self._comments, self._turns = comments, turns

    def run(self, samples: Sequence[Sample]) -> list[Outcome]:
        """An outcome per sample, in order."""
        self._turns.begin(samples)
        settled: Results = {
            sample.id: self._turns.already_clear() for sample in samples if len(sample.options) == 1
        }
        asked = [sample for sample in samples if sample.id not in settled]
        match self.name:
            case "vanilla":
                results = self._turns.say({s.id: (s, self._task.vanilla(s).text) for s in asked})
            case "prompting":
                results = self._turns.say({s.id: (s, self._task.prompting(s).text) for s in asked})
            case "moe":
                results = self._moe(asked)
            case _:
                results = self._ours(asked)
        results |= settled
        return [Outcome(results[sample.id], self._turns.usage[sample.id]) for sample in samples]

    def _moe(self, samples: Sequence[Sample]) -> Results:
        experts = [voice.member.community.expert for voice in self._voices]
        chosen = self._turns.choose(
            {s.id: (s, self._task.moe_select(s, experts).text) for s in samples},
            {s.id: self._voices for s in samples},
        )
        wanted = [(s, one.voice) for s in samples if isinstance(one := chosen[s.id], Chosen)]
        results: Results = {id: found for id, found in chosen.items() if isinstance(found, Failure)}
        texts = {}
        for (sample, _), said in zip(wanted, self._hear(wanted), strict=True):
            if isinstance(said, Failure):
                results[sample.id] = said
                continue
            wording = self._task.moe_answer(sample, said.text) if said.text else self._task.vanilla(sample)
            texts[sample.id] = (sample, wording.text)
        return results | _with_selection(self._turns.say(texts), chosen)

    def _ours(self, samples: Sequence[Sample]) -> Results:
        wanted = [(sample, voice) for sample in samples for voice in self._voices]
        heard: Heard = {sample.id: {} for sample in samples}
        results: Results = {}
        for (sample, voice), said in zip(wanted, self._hear(wanted), strict=True):
            if isinstance(said, Failure):
                results[sample.id] = said
            else:
                heard[sample.id][voice.id] = said.text
        left = [sample for sample in samples if sample.id not in results]
        match self._task.combine:
            case "select":
                return results | self._select(left, heard)
            case "average":
                return results | self._average(left, heard)
            case "synthesis":
                return results | self._turns.say({s.id: (s, self._synthesis(s, heard)) for s in left})

    def _hear(self, wanted: Sequence[tuple[Sample, Voice]]) -> list[Said | Failure]:
        found = self._comments.find(wanted)
        for (sample, _), said in zip(wanted, found, strict=True):
            if isinstance(said, Said):
                self._turns.spend(sample, "communities", said.usage)
        return found

    def _select(self, samples: Sequence[Sample], heard: Heard) -> Results:
        """The comment nearest to the attribute, then the answer with it; a silent community cannot be chosen."""
        able = {s.id: [voice for voice in self._voices if heard[s.id][voice.id]] for s in samples}
        chosen = self._turns.choose(
            {
                s.id: (s, self._task.select(s, [heard[s.id][voice.id] for voice in able[s.id]]).text)
                for s in samples
                if able[s.id]
            },
            able,
        )
        results: Results = {id: found for id, found in chosen.items() if isinstance(found, Failure)}
        texts = {}
        for sample in samples:
            one = chosen.get(sample.id)
            if one is None:
                texts[sample.id] = (sample, self._task.vanilla(sample).text)
            elif isinstance(one, Chosen):
                comment = heard[sample.id][one.voice.id]
                texts[sample.id] = (sample, self._task.answer(sample, comment).text)
        return results | _with_selection(self._turns.say(texts), chosen)

    def _average(self, samples: Sequence[Sample], heard: Heard) -> Results:
        """d = Σ w_i d_i (Modular Pluralism §2); a silent community's d_i is that of the question alone."""
        asked, weights = [], []
        for sample in samples:
            for voice in self._voices:
                comment = heard[sample.id][voice.id]
                wording = self._task.answer(sample, comment) if comment else self._task.vanilla(sample)
                asked.append((sample, wording.text, letters(len(sample.options))))
                weights.append(voice.member.weight)
        parts: dict[str, list[tuple[float, OptionDistribution]]] = {sample.id: [] for sample in samples}
        results: Results = {}
        for (sample, _, _), weight, found in zip(asked, weights, self._turns.weigh(asked), strict=True):
            if isinstance(found, Failure):
                results[sample.id] = found
            else:
                parts[sample.id].append((weight, found))
        for sample in samples:
            if sample.id not in results:
                results[sample.id] = self._turns.prediction(parts[sample.id])
        return results

    def _synthesis(self, sample: Sample, heard: Heard) -> str:
        spoken = [text for text in heard[sample.id].values() if text]
        return (self._task.synthesis(sample, spoken) if spoken else self._task.vanilla(sample)).text


def _with_selection(results: Results, chosen: Mapping[str, Chosen | Failure]) -> Results:
    """`results` with each sample's chosen community."""
    return {
        id: replace(found, selection=one.voice.id, selection_method=one.method)
        if isinstance(found, Prediction) and isinstance(one := chosen.get(id), Chosen)
        else found
        for id, found in results.items()
    }
