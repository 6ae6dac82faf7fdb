"""The forms of what lies in a run's folder: run.json, results.json, judge.json, and the lines of its journals.

Whoever wrote a file, what comes back from `strict_records` has the form that the code expects. Keys that a form does
not have are left alone, so that a later version's files are read; so are a results.json's figures, which are shown only
if they are any.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pluralism_local.evaluation.methods import check_method
from pluralism_local.mode_specs import Orders
from pluralism_local.types import DistributionMethod

_SUM_TOLERANCE = 1e-3


def _whole(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("has half of a character (a lone surrogate)") from error
    return text


Text = Annotated[str, AfterValidator(_whole)]
Method = Annotated[str, AfterValidator(check_method)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Positive = Annotated[int, Field(ge=1, lt=2**53)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Temperature = Annotated[float, Field(ge=0, le=100)]
TopP = Annotated[float, Field(gt=0, le=1)]
Number = Annotated[float, Field(ge=-1e15, le=1e15)]


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Sampling(_Stored):
    temperature: Temperature
    top_p: TopP
    max_tokens: Positive
    seed: Seed


class _Model(_Stored):
    id: Text
    backend: Text
    sha256: Text | None
    weights: Text | None = None


class _Member(_Stored):
    community: Text
    weight: Number
    adapter_sha256: Text | None
    scale: Number | None
    persona_sha256: Text


class _Pool(_Stored):
    id: Text
    members: list[_Member]


class _Samples(_Stored):
    n: Count
    sha256: Text


class _Orders(_Stored):
    rule: Orders
    sha256: Text


class _Identity(_Stored):
    task: Text
    task_version: Count
    samples: _Samples
    pool: _Pool
    llm: _Model
    communities_model: _Model
    prompts: dict[Text, Text]
    comment: _Sampling
    answer: _Sampling
    template: Text
    version: Text
    orders: _Orders | None = None


class _Settings(_Stored):
    model: Text
    pool: Text
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: Positive | None = None
    comment_temperature: Temperature | None = None
    comment_top_p: TopP | None = None
    comment_max_tokens: Positive | None = None
    seed: Seed | None = None
    ctx_size: Positive | None = None
    template: Literal["auto", "none"] | None = None
    weights: Literal["auto", "file"] | None = None
    orders: Orders | None = None


class _Spec(_Stored):
    model_config = ConfigDict(extra="forbid")

    task: Text
    data: Text
    methods: list[Method]
    limit: Positive | None
    draw: Count | None
    scorer: Text
    communities: list[Text]
    communities_model: Text | None
    settings: _Settings
    output: Text | None = None
    force: bool = False


class _About(_Stored):
    spec: _Spec = Field(alias="wanted")
    begun: Text = ""


class StoredRun(_Stored):
    """run.json."""

    id: Text
    identity: _Identity
    about: _About

    @model_validator(mode="after")
    def _one_task(self) -> StoredRun:
        if not self.identity.task.startswith(self.about.spec.task):  # a unique beginning was enough
            raise ValueError(
                f"about.wanted.task is '{self.about.spec.task}', identity.task '{self.identity.task}'"
            )
        return self


class _Row(_Stored):
    model_config = ConfigDict(extra="allow")

    counts: dict[Text, Any] = {}


class _Basis(_Stored):
    n: Count
    distributions: dict[Text, Count]
    stand_ins: Count
    partly: Count
    unparsed: Count
    empty: Count
    unchosen: Count
    unclear: Count = 0
    outside: Share | None
    order_effect: Share | None = None
    void: bool


class StoredResults(_Stored):
    """results.json."""

    run: Text
    task: Text
    model: _Model
    communities_model: _Model
    pool: _Pool
    n: Count
    requested: Count = Field(alias="wanted")
    failed: dict[Text, Count]
    missing: dict[Text, Count]
    methods: dict[Text, _Row]
    parts: dict[Text, dict[Text, dict[Text, dict[Text, Any]]]] = {}
    cost: dict[Text, dict[Text, dict[Text, Any]]] = {}
    basis: dict[Text, _Basis] = {}
    remarks: list[Text] = []
    scorer: Text | None = None


class StoredJudgement(_Stored):
    """judge.json, of which all but its frame is shown only as far as it can be read."""

    a: Text = "ours"
    judges: list[Any] | None = None


class _Error(_Stored):
    code: Text
    message: Text


class _Usage(_Stored):
    model_config = ConfigDict(extra="forbid")

    prompt: Count = 0
    reused: Count = 0
    completion: Count = 0


class _Positions(_Stored):
    texts: list[Text]
    left_out: Count
    marks: Count
    unverified: Count
    prompts: Text


class StoredAnswer(_Stored):
    """A line of samples.jsonl."""

    id: Text
    method: Text
    error: _Error | None = None
    pred_distribution: Annotated[list[Share], Field(min_length=1)] | None = None
    unassigned_mass: Share | None = None
    distribution_method: Text | None = None
    stand_in: Share = 0.0
    output: Text | None = None
    orders: list[list[Count]] = []
    order_effect: Share | None = None
    selection: Text | None = None
    selection_method: Text | None = None
    positions: _Positions | None = None
    usage: dict[Text, _Usage] = {}

    @model_validator(mode="after")
    def _says_something(self) -> StoredAnswer:
        if self.error is None and self.pred_distribution is None and self.output is None:
            raise ValueError("has neither an answer nor an error")
        if self.pred_distribution is not None and abs(sum(self.pred_distribution) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"pred_distribution sums to {sum(self.pred_distribution):.6g} and not to 1")
        return self


class StoredComment(_Stored):
    """A line of a comments' journal."""

    key: Text
    error: _Error | None = None
    text: Text | None = None
    finish: Text = "stop"
    usage: _Usage = _Usage()

    @model_validator(mode="after")
    def _says_something(self) -> StoredComment:
        if self.error is None and self.text is None:
            raise ValueError("has neither a text nor an error")
        return self


class StoredReply(_Stored):
    """A line of the journal of what a server replied: a text, or the probabilities of options."""

    key: Text
    text: Text | None = None
    finish: Literal["stop", "length"] = "stop"
    usage: _Usage = _Usage()
    p: list[Share] = []
    mass: list[Number] = []
    unassigned_mass: Number = 0.0
    bounds: list[Annotated[list[Number], Field(min_length=2, max_length=2)]] = []
    method: DistributionMethod = "top_logprobs"
    n: Positive | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> StoredReply:
        if (self.text is None) == (not self.p):
            raise ValueError("has neither a text nor probabilities, or both")
        if not len(self.p) == len(self.mass) == len(self.bounds):
            raise ValueError("p, mass and bounds are not of one length")
        if self.p and abs(sum(self.p) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"p sums to {sum(self.p):.6g} and not to 1")
        return self


class StoredChoice(_Stored):
    """A line of a judge's journal."""

    key: Text
    error: _Error | None = None
    choice: Literal["1", "2", "tie"] | None = None


class StoredEntailment(_Stored):
    """A line of an entailment scorer's journal."""

    key: Text
    p: Annotated[list[Share], Field(min_length=3, max_length=3)]

    @model_validator(mode="after")
    def _is_some(self) -> StoredEntailment:
        if not sum(self.p) > 0:
            raise ValueError("p sums to 0")
        return self
