"""An evaluation: which passages under which models, what is scored already, and the matrix.

    held-out pairs per text ──Scoring(…)──> plan: leading passages × models, keys of scores
      ──run──> missing scores by the Scorer, each kept in the ScoreFile at once ──> Matrix

Texts are scored passage by passage under all models, so that a prompt is decoded once for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from communitylm.community.examples import HeldOut
from communitylm.evaluation.matrix import BASE, Matrix, tabulate
from communitylm.evaluation.perplexity import AdapterFile, Loss, Scorer
from communitylm.evaluation.score_file import ScoreFile, score_key
from communitylm.progress import Say
from pluralism_local.communities import Community
from pluralism_local.display.figures import duration
from pluralism_local.errors import InvalidInput

REPORT_SECONDS = 20.0


@dataclass(frozen=True)
class Models:
    """What texts are scored under: files by model id with the base first, and each one's identity for keys."""

    files: Mapping[str, AdapterFile | None]
    identity: Mapping[str, str]


def models_of(communities: Sequence[Community]) -> Models:
    """The base and the adapters of `communities`, at their cards' scales.

    Raises:
        InvalidInput: a card without an adapter.
    """
    files: dict[str, AdapterFile | None] = {BASE: None}
    identity = {BASE: BASE}
    for community in communities:
        ref = community.adapter_ref()
        if ref is None:
            raise InvalidInput(f"The card of '{community.id}' has no adapter.", "Train and export it first.")
        files[community.id] = AdapterFile(ref.path, ref.scale)
        identity[community.id] = f"{ref.sha256}:{ref.scale}"
    return Models(files, identity)


@dataclass
class Scoring:
    """The plan of an evaluation over an open scorer and score file.

    Attributes:
        texts: id -> held-out passages, in their order.
        base: identity of the base and of the layout that it runs in.
        tokens: text -> tokens to score of it at least, in whole passages.
    """

    scorer: Scorer
    scores: ScoreFile
    models: Models
    texts: Mapping[str, Sequence[HeldOut]]
    base: str
    tokens: Mapping[str, int]
    chosen: dict[str, list[HeldOut]] = field(init=False)

    def __post_init__(self) -> None:
        self.chosen = {text: self._leading(pairs, self.tokens[text]) for text, pairs in self.texts.items()}

    @property
    def scores_in_all(self) -> int:
        """Scores in all."""
        return sum(map(len, self.chosen.values())) * len(self.models.files)

    def missing(self, pair: HeldOut) -> list[str]:
        """Models that have no score for this pair yet."""
        return [model for model in self.models.files if self.scores.find(self._key(pair, model)) is None]

    def tokens_missing(self) -> int:
        """Tokens with a loss that are still to be scored."""
        return sum(
            self.scorer.tokens(pair.passage) * len(self.missing(pair))
            for pairs in self.chosen.values()
            for pair in pairs
        )

    def scores_missing(self) -> int:
        return sum(len(self.missing(pair)) for pairs in self.chosen.values() for pair in pairs)

    def run(self, opposites: Mapping[str, tuple[str, ...]], say: Say) -> Matrix:
        """Score what is missing and add everything up; see `matrix.tabulate` for `opposites`."""
        total, done = self.tokens_missing(), 0
        began = last = time.monotonic()
        losses: dict[str, dict[str, list[Loss]]] = {}
        for text, pairs in self.chosen.items():
            row: dict[str, list[Loss]] = {model: [] for model in self.models.files}
            for pair in pairs:
                missing = self.missing(pair)
                for model, loss in (
                    self.scorer.losses(pair.question, pair.passage, missing) if missing else ()
                ):
                    self.scores.put(self._key(pair, model), loss)
                    done += loss.tokens
                if done and time.monotonic() - last > REPORT_SECONDS:
                    last = time.monotonic()
                    rate = done / (last - began)
                    left = duration((total - done) / rate)
                    say(f"{text}: {done:,} tokens scored, {rate:.0f} a second, {left} left")
                for model, scored in row.items():
                    score = self.scores.find(self._key(pair, model))
                    if score is not None:
                        scored.append(score)
            losses[text] = row
        groups = {text: [pair.group for pair in pairs] for text, pairs in self.chosen.items()}
        return tabulate(losses, list(self.models.files), opposites, groups)

    def _leading(self, pairs: Sequence[HeldOut], tokens: int) -> list[HeldOut]:
        """Passages in order until `tokens` are reached."""
        chosen: list[HeldOut] = []
        count = 0
        for pair in pairs:
            if count >= tokens:
                break
            chosen.append(pair)
            count += self.scorer.tokens(pair.passage)
        return chosen

    def _key(self, pair: HeldOut, model: str) -> str:
        return score_key(self.base, self.models.identity[model], pair.question, pair.passage)
