"""What can be set: names, types, ranges and built-in values, and which servers get no key.

Values are gathered by `config.load`; here is only what each may be.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import DEFAULT, MODES, ModeName, Orders
from pluralism_local.model_names import STARTER, named_remote, url_of
from pluralism_local.remote_url import parse_spec
from pluralism_local.types import MAX_THREADS, Sampling

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _auto_is_none(value: object) -> object:
    return None if value == "auto" else value


def _texts_to_paths(value: object) -> object:
    if not isinstance(value, list):
        return value
    return [Path(item) if isinstance(item, str) else item for item in value]


def _alias_names(aliases: dict[str, str]) -> dict[str, str]:
    for name, target in aliases.items():
        if not _ALIAS.fullmatch(name) or name == STARTER or name.endswith(".gguf") or not target.strip():
            raise ValueError(name)
    return aliases


def _remote_names(remotes: dict[str, Remote]) -> dict[str, Remote]:
    for name in remotes:
        if named_remote(name) != (name, None):
            raise ValueError(f"'{name[:64]}' is no name")
    return remotes


def _plain_url(url: str) -> str:
    try:
        where = parse_spec(url)
    except InvalidInput:
        raise ValueError("it must be http(s)://host[:port][/path]") from None
    if where.credentials or where.model:
        raise ValueError("it must have no credentials and no '#model'")
    return url


Name = Annotated[str, Field(min_length=1)]
Temperature = Annotated[float, Field(ge=0, le=100, description="a number between 0 and 100")]
TopP = Annotated[float, Field(gt=0, le=1, description="a number above 0 and at most 1")]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1, description="a whole number from 1 to 2147483647")]
ContextSize = Annotated[
    Annotated[int, Field(ge=1, le=2**31 - 1)] | None,
    BeforeValidator(_auto_is_none),
    Field(description="a whole number from 1 to 2147483647, or 'auto'"),
]
Threads = Annotated[
    Annotated[int, Field(ge=1, le=MAX_THREADS)] | None,
    BeforeValidator(_auto_is_none),
    Field(description=f"a whole number from 1 to {MAX_THREADS}, or 'auto'"),
]


class Remote(BaseModel):
    """A server of the config file, ``[remote.NAME]``; named ``remote:NAME``, or ``remote:NAME/model``.

    Attributes:
        base_url: of its API, without credentials.
        model: its name at the server, where none is given.
        api_key_env: the variable that has the key. api_key_cmd: a command that prints it.
        logprobs: whether the server shows probabilities: ask and see, certainly, or never.
        adapters: how it is told which of its adapters answers.
        parallel: requests at once at most.
        timeout: seconds of silence after which a request has failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base_url: Annotated[str, AfterValidator(_plain_url)]
    model: Name | None = None
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    api_key_cmd: Name | None = None
    logprobs: Literal["probe", "yes", "no"] = "probe"
    adapters: Literal["none", "llama-server", "vllm"] = "none"
    parallel: Annotated[int, Field(ge=1, le=64)] = 1
    timeout: Annotated[float, Field(gt=0, le=86_400)] = 120.0


class Settings(BaseModel):
    """Preferences, checked. None for `ctx_size` and `threads` (spelled ``"auto"``) leaves it to the engine.

    `temperature`, `top_p` and `max_tokens` are the answer's, `comment_…` the communities'. `description` of
    each field says what its value must be. `orders`: in which the options of a question are weighed. `logging`:
    conversations are kept in the history. `samples`: answers that are drawn and counted where a server shows no
    probabilities of options; 0 refuses to weigh them there. `chat_positions`: when the chat looks for the positions of
    an overton answer; "auto" is at once where the LLM is quick, and else when asked to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Name = Field(default=STARTER, description="the name or the path of a model")
    pool: Name = Field(default="perspectives", description="the id or the path of a pool")
    mode: ModeName = Field(
        default=DEFAULT,
        description=f"one of {', '.join(MODES)}",
    )
    orders: Orders = Field(default="rotate", description="'rotate', 'reverse' or 'asked'")
    take_sides: bool = Field(default=False, description="true or false")
    temperature: Temperature = 0.0
    top_p: TopP = 1.0
    max_tokens: Positive = 512
    comment_temperature: Temperature = 1.0
    comment_top_p: TopP = 0.9
    comment_max_tokens: Positive = 200
    seed: int = Field(default=0, ge=0, lt=2**32, description="a whole number between 0 and 4294967295")
    ctx_size: ContextSize = None
    gpu_layers: Literal["auto", "all"] | Annotated[int, Field(ge=0, le=10_000)] = Field(
        default="auto", description="'auto', 'all' or a whole number from 0 to 10000"
    )
    threads: Threads = None
    template: Literal["auto", "none"] = Field(default="auto", description="'auto' or 'none'")
    weights: Literal["auto", "file"] = Field(default="auto", description="'auto' or 'file'")
    plan: Literal["auto", "fixed"] = Field(default="auto", description="'auto' or 'fixed'")
    prefixes: Literal["disk", "memory"] = Field(default="disk", description="'disk' or 'memory'")
    samples: int = Field(default=0, ge=0, le=1000, description="a whole number from 0 to 1000")
    offline: bool = Field(default=False, description="true or false")
    logging: bool = Field(default=True, description="true or false")
    chat_positions: Literal["auto", "always", "never"] = Field(
        default="auto", description="'auto', 'always' or 'never'"
    )
    theme: Name = Field(default="textual-dark", description="the name of a theme of the chat")
    aliases: Annotated[dict[str, str], AfterValidator(_alias_names)] = Field(
        default_factory=dict,
        description="a table from names (letters, digits, '.', '_', '-'; not 'starter') to models",
    )
    community_paths: Annotated[list[Path], BeforeValidator(_texts_to_paths)] = Field(
        default_factory=list, description="a list of folders"
    )
    remote: Annotated[dict[str, Remote], AfterValidator(_remote_names)] = Field(
        default_factory=dict,
        description="tables [remote.NAME] (letters, digits, '_', '-') with base_url, and maybe model, api_key_env, "
        "api_key_cmd, logprobs, adapters, parallel, timeout",
    )
    _keyless: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def keyless(self) -> frozenset[str]:
        """Addresses of remote models that no key is sent to, since only a file of others names them."""
        return self._keyless

    def answer_sampling(self, retries: int = 0) -> Sampling:
        """How the LLM's answer is drawn; each of the `retries` takes the next seed, so that the answer differs."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, self._seed(retries))

    def comment_sampling(self, retries: int = 0) -> Sampling:
        """How the communities' comments are drawn, in the same way."""
        return Sampling(
            self.comment_temperature, self.comment_top_p, self.comment_max_tokens, self._seed(retries)
        )

    def _seed(self, retries: int) -> int:
        return (self.seed + retries) % 2**32

    def without_key_for(self, models: Iterable[str]) -> Settings:
        """The same settings; the key goes to none of the servers among these names of models."""
        settings = self.model_copy()
        settings._keyless = self._keyless | servers(models)
        return settings


def servers(models: Iterable[str]) -> frozenset[str]:
    """The addresses of the remote models among these; one that cannot be read is connected to by nobody."""
    addresses = set()
    for model in models:
        url = url_of(model)
        if url is not None:
            with contextlib.suppress(InvalidInput):
                addresses.add(parse_spec(url).address)
    return frozenset(addresses)
