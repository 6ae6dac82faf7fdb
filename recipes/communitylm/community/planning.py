"""A community's training, decided before any weight is loaded: everything that can be wrong is noticed here.

    CommunitySettings (and the partner's) ──plan──> CommunityPlan: base, examples in order and held out, digest

Failure modes: a bad configuration, corpus or base, or partners that do not fit each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from communitylm.community.contrast import AnswerPair, contrasted, read_pairs
from communitylm.community.examples import activated, causal, corpus_parts
from communitylm.community.settings import CommunitySettings
from communitylm.community.starting import start_folder
from communitylm.community.together import paired
from communitylm.corpus.passages import Passage, distilled
from communitylm.training.bases import Base, find_base
from communitylm.training.examples import Example, Speller, Tokens, schedule
from communitylm.training.hardware import hardware
from communitylm.training.plan import TrainingPlan, digest_of
from pluralism_local.errors import InvalidInput
from pluralism_local.lora import WEIGHTS
from pluralism_local.models.gguf_file import sha256_of


@dataclass(frozen=True, kw_only=True)
class CommunityPlan(TrainingPlan):
    """Everything decided before anything heavy is loaded.

    Attributes:
        order: training examples, as they will be seen; of both sides where two are trained together, and of both texts
            of each pair in a contrast.
        side: which of them are this community's, 1 or -1.
        held_out: examples to evaluate before and after.
        passages, documents: of the training part of the corpus.
        header: tokens that switch an activated adapter on; empty for the causal form.
        start: the PEFT folder that the adapter starts from; None for a fresh one.
        digest: identity of settings, corpora, start and base, and the partner's; a run folder carries it.
        distilled: sources of what is trained on that are models, not people.
        partner: the plan of the community that is trained in the same run, its own `partner` left out.
    """

    settings: CommunitySettings
    held_out: tuple[Example, ...]
    passages: int
    documents: int
    header: Tokens
    start: Path | None
    side: int = 1
    distilled: tuple[str, ...] = ()
    partner: CommunityPlan | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the community's text with a loss."""
        return sum(example.losses for example in self.order if example.side == self.side)

    @property
    def examples_per_step(self) -> int:
        """Examples that a step of the weights takes in, over several forward passes."""
        training = self.settings.values.training
        return training.batch * training.accumulate


def plan(settings: CommunitySettings) -> CommunityPlan:
    """Resolve and check everything; see `CommunityPlan`. Which of two partners is planned changes nothing in the run.

    Raises:
        NotFound, InvalidInput: as `corpus_parts`, `find_base`, `Base.speller` and `CommunitySettings.partner`.
    """
    partner = settings.partner()
    sides = sorted([settings, partner] if partner else [settings], key=lambda side: side.id)
    values = settings.values
    base = find_base(values.base.model, settings.path.parent)
    with base.speller(chat=values.adapter.form == "activated") as speller:
        header = speller.header if values.adapter.form == "activated" else ()
        texts = [_read(side, speller) for side in sides]
    pairs = read_pairs(settings.beside(values.contrast.pairs)) if values.contrast is not None else []
    order = _order(settings, base, texts, pairs)
    start = start_folder(settings)
    device, precision = hardware(values.training.device, values.training.precision)
    plans = [
        CommunityPlan(
            settings=side,
            base=base,
            order=order,
            held_out=text.held_out,
            passages=text.passages,
            documents=text.documents,
            device=device,
            precision=precision,
            header=header,
            start=start,
            digest=_digest(side, base, start, precision),
            side=sign,
            distilled=distilled([*text.sources, *(pair.source for pair in pairs)]),
        )
        for sign, side, text in zip((1, -1), sides, texts, strict=False)
    ]
    own, *other = sorted(plans, key=lambda plan: plan.settings is not settings)
    if not other:
        return own
    with_other, with_own = digest_of([own.digest, other[0].digest]), digest_of([other[0].digest, own.digest])
    return replace(own, digest=with_other, partner=replace(other[0], digest=with_own))


@dataclass(frozen=True)
class _Texts:
    """A corpus as examples, and what it is made of."""

    training: tuple[Example, ...]
    held_out: tuple[Example, ...]
    passages: int
    documents: int
    sources: frozenset[str | None]


def _read(settings: CommunitySettings, speller: Speller) -> _Texts:
    values = settings.values
    training, held_out = corpus_parts(settings)
    examples = _examples(training, settings, speller)
    if values.corpus.evenly and values.training.tokens:
        examples = _first_tokens(examples, values.training.tokens)
    evaluated = _first_tokens(_examples(held_out, settings, speller), values.training.evaluate)
    if not examples or not evaluated:
        raise InvalidInput(
            f"{settings.corpus_file} is too small: no block of {values.training.block} tokens in one of its parts.",
            "Give more text, or a smaller training.block.",
        )
    documents = len({passage.document or passage.text for passage in training})
    sources = frozenset(passage.source for passage in training)
    return _Texts(tuple(examples), tuple(evaluated), len(training), documents, sources)


def _order(
    settings: CommunitySettings, base: Base, texts: Sequence[_Texts], pairs: Sequence[AnswerPair]
) -> tuple[Example, ...]:
    """The order of training: of one side, of both in turn, or of pairs."""
    training = settings.values.training
    extent = {
        "tokens": training.tokens,
        "passes": training.passes,
        "batch": training.batch,
        "seed": training.seed,
    }
    if pairs:
        with base.speller(chat=True) as speller:
            return tuple(contrasted(pairs, speller, longest=training.longest, **extent))
    if len(texts) > 1:
        return tuple(paired(texts[0].training, texts[1].training, **extent))
    return tuple(schedule(texts[0].training, **extent))


def _digest(settings: CommunitySettings, base: Base, start: Path | None, precision: str) -> str:
    files = [settings.corpus_file, *settings.further_files, *([start / WEIGHTS] if start else [])]
    return digest_of(
        [
            settings.values.model_dump(mode="json"),
            [sha256_of(file) for file in files],
            base.fingerprint or base.reference,
            precision,
        ]
    )


def _examples(passages: Sequence[Passage], settings: CommunitySettings, speller: Speller) -> list[Example]:
    training = settings.values.training
    if settings.values.adapter.form == "activated":
        return activated(passages, speller, training.longest)
    return causal(passages, speller, training.block)


def _first_tokens(examples: Sequence[Example], tokens: int) -> list[Example]:
    """Leading examples until `tokens` losses are reached."""
    chosen: list[Example] = []
    count = 0
    for example in examples:
        if count >= tokens:
            break
        chosen.append(example)
        count += example.losses
    return chosen
