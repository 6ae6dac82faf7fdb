"""An NLI training, decided before any weight is loaded: everything that can be wrong is noticed here.

NliSettings ──plan──> NliPlan: base, examples in order, held-out pairs, device, identity
"""

from __future__ import annotations

from dataclasses import dataclass

from communitylm.nli.data import Gathered, SourcedPair, examples, gather, word_tokens
from communitylm.nli.settings import NliSettings
from communitylm.training.bases import find_base
from communitylm.training.examples import Example, Tokens, schedule
from communitylm.training.hardware import hardware
from communitylm.training.plan import TrainingPlan, digest_of
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.nli.prompts import NLI_PAIR, NLI_WORDS
from pluralism_local.models.gguf_file import sha256_of


@dataclass(frozen=True, kw_only=True)
class NliPlan(TrainingPlan):
    """Everything decided before anything heavy is loaded.

    Attributes:
        held_out: pairs nobody trains on, at most `training.evaluate`.
        gathered: where these and the examples of `order` come from.
        too_long: pairs left out for their length.
        opening: tokens that all prompts begin with. words: the answers' tokens, as `NLI_WORDS`.
        digest: identity of settings, files and base.
    """

    settings: NliSettings
    held_out: tuple[tuple[SourcedPair, Example], ...]
    gathered: Gathered
    too_long: int
    opening: Tokens
    words: Tokens

    @property
    def tokens(self) -> int:
        """Tokens of all prompts after the opening."""
        return sum(example.skip for example in self.order)


def plan(settings: NliSettings) -> NliPlan:
    """Resolve and check everything; see `NliPlan`.

    Raises:
        NotFound, InvalidInput: as `gather`, `examples`, `find_base` and `Base.speller`.
    """
    training = settings.values.training
    gathered = gather(settings)
    base = find_base(settings.values.base.model, settings.path.parent)
    with base.speller(chat=True) as speller:
        rows = (*gathered.training, *gathered.held_out)
        opening, spelled, too_long = examples(rows, speller, training.longest)
        words = word_tokens(speller)
    held_rows = {*gathered.held_out}
    held_out = [pair for pair in spelled if pair[0] in held_rows][: training.evaluate]
    repeat = settings.values.pairs.repeat
    trained = [
        example for row, example in spelled if row not in held_rows for _ in range(repeat.get(row.source, 1))
    ]
    if not trained or not held_out:
        raise InvalidInput(
            f"No pair of one part is within {training.longest} tokens.", "Raise training.longest."
        )
    order = schedule(
        trained, tokens=training.pairs, passes=training.passes, batch=training.batch, seed=training.seed
    )
    device, precision = hardware(training.device, training.precision)
    files = settings.files((*settings.values.pairs.files, *settings.values.pairs.apart))
    values = settings.values.model_dump(mode="json")
    del values["pairs"]["folder"]  # where the files are does not matter, what is in them does
    identity = [
        values,
        [sha256_of(file) for file in files],
        base.fingerprint or base.reference,
        precision,
        NLI_PAIR.id,
        NLI_WORDS,
    ]
    return NliPlan(
        settings=settings,
        base=base,
        order=tuple(order),
        held_out=tuple(held_out),
        gathered=gathered,
        too_long=too_long,
        opening=opening,
        words=words,
        device=device,
        precision=precision,
        digest=digest_of(identity),
    )
