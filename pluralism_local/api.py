"""Asking from a notebook or a script: the drivers of `plocal ask` and `plocal eval`, without a command line.

    plural.open(model, pool=…) ──> Session ──ask──> Answer
                                         ├──ask_many──> Answers, a batch at a time ──> Answer… | to_frame
                                         └──values──> Values

`import pluralism_local as plural` gives these names and loads nothing until one is used. The user's settings hold, as
on the command line; what is given here wins. Nothing goes into the history of `plocal logs`. What cannot be done is a
`PlocalError` of `pluralism_local.errors`, with a sentence, a hint and a code; a bug is any other exception.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from pluralism_local import config, wiring
from pluralism_local.answers import Answer, Answers
from pluralism_local.communities import Pool
from pluralism_local.conversation.ask_builder import build_ask, build_deliberation, find_rule
from pluralism_local.conversation.ask_checks import check_draws
from pluralism_local.conversation.asking import run_ask
from pluralism_local.conversation.engines import open_handles
from pluralism_local.entailment import entailment
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.questions import QuestionBatch
from pluralism_local.mode_specs import DEFAULT, SPECS
from pluralism_local.modes import Ask
from pluralism_local.modes.values.running import LIMIT, RELEVANT, find_values
from pluralism_local.records import to_record
from pluralism_local.results import Result
from pluralism_local.values.stakes import Values


class Session:
    """Open engines and a pool; use it as a context manager, or `close` it. Made by `open`."""

    def __init__(
        self,
        model: str | Path | None,
        pool: str | Path | None,
        communities: Sequence[str],
        communities_model: str | None,
        *,
        force: bool,
        settings: dict[str, object],
    ) -> None:
        overrides = {
            **settings,
            "model": None if model is None else str(model),
            "pool": None if pool is None else str(pool),
        }
        loaded = config.load(overrides)
        if loaded.withheld is not None:
            names = " and ".join(loaded.withheld.values)
            warnings.warn(
                f"{names} of ./plocal.toml ignored; allow it with: plocal config trust", stacklevel=3
            )
        self._settings, self._closed = loaded.settings, False
        with ExitStack() as stack:
            self._handles = stack.enter_context(
                open_handles(
                    self._settings,
                    communities=communities_model,
                    default_local=wiring.local_default(overrides),
                    needed=True,
                    status=lambda _: None,
                )
            )
            chosen = wiring.find_pool(wiring.library(self._settings), self._settings.pool, list(communities))
            self._pool, self._warnings = wiring.fitting(chosen, self._handles.communities, force=force)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engines; answers that were not computed yet never are."""
        self._closed = True
        self._stack.close()

    @property
    def pool(self) -> Pool:
        """The communities, as they speak through the open model."""
        return self._pool

    def ask(
        self,
        question: str,
        *,
        mode: str = DEFAULT,
        options: Sequence[str] = (),
        attribute: str | None = None,
        system: str | None = None,
        draws: int = 0,
        rounds: int = 0,
        consensus: str | None = None,
        alpha: float | None = None,
        revise: bool = False,
    ) -> Answer:
        """Ask one question, as `plocal ask` does.

        Args:
            mode: overton (the default), steerable, distributional, vanilla, prompting or moe; a unique beginning is
                enough.
            options: 2 to 26 answers to weigh (distributional, vanilla and the other baselines).
            attribute: what steerable steers towards, e.g. ``"rural voters"``.
            system: system message of the LLM.
            draws: comments of each community, at least 2 and 120 in all at most, whose positions are counted: the
                answer's `draws` (overton). 0: only the one that the answer is made of.
            rounds: how often the communities hear which positions were taken and comment again, 0 to 5 (overton).
            consensus: answer with the statement that this rule chooses of what the communities and the LLM propose:
                maxmin, mean, nash, borda, schulze or w_alpha (overton). None: the LLM writes the answer.
            alpha: aversion to inequality of w_alpha, 0 to infinity.
            revise: let the chosen statement be criticised, revised and judged once more.

        Raises:
            InvalidInput: a blank question, or something the mode needs is missing. Unsupported: the model cannot do it.
            RemoteFailure, EngineFailure: a model failed before there was anything to keep.

        Example:
            >>> import pluralism_local as plural
            >>> with plural.open("starter", pool="perspectives", max_tokens=16, comment_max_tokens=16) as p:
            ...     result = p.ask("Should phones be banned?", mode="distributional", options=["Yes", "No"])
            >>> result.answer in ("Yes", "No"), len(result.comments), round(sum(result.distribution.p), 6)
            (True, 6, 1.0)
        """
        if self._closed:
            raise _closed()
        deliberation = build_deliberation(
            rounds, consensus=consensus is not None, rule=find_rule(consensus), alpha=alpha, revise=revise
        )
        ask = self._ask_of(question, mode, options, attribute, system)
        if draws:
            check_draws(draws, ask.mode, len(self._pool.members))
        ask = replace(ask, draws=draws, deliberation=deliberation)
        *_, result = run_ask(ask, self._handles, warnings=self._warnings, settings=self._settings)
        return Answer(to_record(cast(Result, result)), question)

    def ask_many(
        self,
        questions: Iterable[str],
        *,
        mode: str = DEFAULT,
        options: Sequence[str] = (),
        attribute: str | None = None,
        folder: str | Path | None = None,
    ) -> Answers:
        """Ask many questions alike, 16 together, as answers are taken from what comes back.

        Every question draws comments of its own. One that fails is an `Answer` with an `error`; the others go on.

        Args:
            questions: taken 16 at a time; may be a generator.
            mode, options, attribute: as in `ask`.
            folder: where answers are kept as they come. The same call with the same folder goes on where it stopped;
                another question, model, pool or setting there is asked anew, and failures are asked again.

        Raises:
            InvalidInput: an unknown mode, or `questions` is a single text. While iterating: as `ask`; Refused for a
                folder that another process writes or whose file is damaged.

        Example:
            >>> import pluralism_local as plural
            >>> with plural.open("starter", comment_max_tokens=16) as p:
            ...     many = p.ask_many(["Is tea good?", "Is rain bad?"], mode="distributional", options=["Yes", "No"])
            ...     answers = [answer.answer for answer in many]
            >>> [answer in ("Yes", "No") for answer in answers], len(many.to_frame())
            ([True, True], 2)
        """
        if self._closed:
            raise _closed()
        if isinstance(questions, str):
            raise InvalidInput("ask_many takes several questions.", "Give a list of them, or use ask.")
        answers = Answers(
            QuestionBatch(
                self._handles.llm,
                self._handles.communities,
                self._ask_of("", mode, options, attribute),
                self._settings.template,
                habits=self._handles.habits,
            ),
            self._warnings,
            questions,
            None if folder is None else Path(folder),
        )
        self._stack.callback(answers.close)
        return answers

    def values(self, situation: str, *, limit: int = LIMIT, min_relevance: float = RELEVANT) -> Values:
        """Find the values, rights and duties at stake in a situation, as `plocal values` does.

        Args:
            limit: how many are looked into to the end, 1 to 40.
            min_relevance: the probability of being at stake below which one is left out, in [0, 1].

        Raises:
            InvalidInput: a blank situation, or a number out of range. Unsupported: a base model, which cannot list.
            RemoteFailure, EngineFailure: the model failed before there was anything to keep.

        Example:
            >>> import pluralism_local as plural
            >>> with plural.open("scripted:") as p:
            ...     values = p.values("Biking to work", limit=3, min_relevance=0)
            >>> values.situation, len(values.stakes) <= 3, values.complete
            ('Biking to work', True, True)
        """
        if self._closed:
            raise _closed()
        with entailment(self._settings, (self._handles.llm,), lambda _: None) as scorer:
            *_, values = find_values(
                situation,
                llm=self._handles.llm,
                limit=limit,
                min_relevance=min_relevance,
                seed=self._settings.seed,
                entailment=scorer,
            )
        return cast(Values, values)

    def _ask_of(
        self,
        question: str,
        mode: str,
        options: Sequence[str],
        attribute: str | None,
        system: str | None = None,
    ) -> Ask:
        name = wiring.find_mode(mode)
        return build_ask(
            self._settings,
            question,
            pool=self._pool if SPECS[name].communities else None,
            mode=name,
            attribute=attribute,
            options=options,
            system=system,
        )


def open(
    model: str | Path | None = None,
    *,
    pool: str | Path | None = None,
    communities: Sequence[str] = (),
    communities_model: str | None = None,
    force: bool = False,
    **settings: object,
) -> Session:
    """Open a model and a pool of communities.

    Args:
        model: as for ``plocal -m``: "starter", a path, an alias, ``hf:…``, ``remote:…``. None: as the settings say.
        pool: its id or file. None: as the settings say.
        communities: ids in place of a pool, each maybe with a scale, ``"press-left:0.8"``.
        communities_model: the model that the communities run on, if another than `model`.
        force: let adapters of other bases speak.
        settings: as in config.toml: seed, temperature and comment_temperature (≥ 0), max_tokens and comment_max_tokens
            (tokens), orders (of options), take_sides, ctx_size (tokens), threads, gpu_layers, offline …

    Raises:
        NotFound: no such model, pool or community. InvalidInput: a setting is unknown or out of range.
        Refused: an adapter is of another base, or a file is not what its card says.
        RemoteFailure: a server does not answer.

    Example:
        >>> import pluralism_local as plural
        >>> with plural.open("starter", pool="perspectives") as p:
        ...     len(p.pool.members)
        6
    """
    return Session(model, pool, communities, communities_model, force=force, settings=settings)


def _closed() -> InvalidInput:
    return InvalidInput("This session is closed.", "Ask within its with block, or open another.")
