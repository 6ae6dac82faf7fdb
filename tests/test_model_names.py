"""Names of models: what each is read as, that reading never fails, and that a server type needs one entry."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local import model_names, wiring
from pluralism_local.api_keys import NO_KEY, ApiKey
from pluralism_local.config import Settings
from pluralism_local.engine.remote_protocol import RemoteOptions
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput
from pluralism_local.model_names import (
    COPY_TYPES,
    SERVERS,
    Alias,
    File,
    Hub,
    ModelName,
    Place,
    Served,
    ServerType,
    Starter,
    follow,
    names_a_file,
    parse,
    server_forms,
    url_of,
    without_folders,
)
from pluralism_local.remote_url import without_credentials

REMOTE, SCRIPTED = SERVERS["remote"], SERVERS["scripted"]
ALIASES = {
    "big": "/models/big.gguf",
    "box": "remote:http://localhost:8000#m",
    "mine": "box",
    "here": "there",
    "there": "here",
}
names = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            [
                "starter",
                "hf:",
                "remote:",
                "scripted:",
                "u/r",
                ":Q4_0",
                "@",
                "fast",
                "q8_0",
                ".gguf",
                "/",
                "big",
                "x",
            ]
        ),
        max_size=6,
    ).map("".join),
)


@pytest.mark.parametrize(
    ("text", "place", "tag"),
    [
        ("starter", Starter(), None),
        ("starter@Q4_0", Starter(), "Q4_0"),
        ("Starter", File("Starter", bare=True), None),
        ("hf:user/repo", Hub("user/repo", None), None),
        ("hf:user/repo:Q4_K_M", Hub("user/repo", "Q4_K_M"), None),
        ("hf:user/repo:sub/file.gguf", Hub("user/repo", "sub/file.gguf"), None),
        ("hf:u/r:Q8_0@FAST", Hub("u/r", "Q8_0"), "fast"),
        ("hf:repo", Hub(None, None), None),
        ("hf:", Hub(None, None), None),
        ("hf:u/r:Q4:0", Hub(None, None), None),
        ("remote:http://localhost:8080#m", Served(REMOTE, "http://localhost:8080#m"), None),
        ("remote:http://user:pw@fast", Served(REMOTE, "http://user:pw@fast"), None),
        ("scripted:", Served(SCRIPTED, ""), None),
        ("scripted:a/b.json", Served(SCRIPTED, "a/b.json"), None),
        ("unheard:of", File("unheard:of", bare=True), None),
        ("unheard:a/b.gguf", File("unheard:a/b.gguf", bare=True), None),
        ("x.gguf", File("x.gguf", bare=False), None),
        ("x.GGUF", File("x.GGUF", bare=False), None),
        ("C:x.gguf", File("C:x.gguf", bare=False), None),
        ("./x", File("./x", bare=False), None),
        ("x.gguf@fast", File("x.gguf", bare=False), "fast"),
        ("./a@b/big.gguf@q4_k_m", File("./a@b/big.gguf", bare=False), "Q4_K_M"),
        ("x.gguf@other", File("x.gguf@other", bare=True), None),
        ("big", Alias("big", "/models/big.gguf"), None),
        ("big@fast", Alias("big", "/models/big.gguf"), "fast"),
        ("big@faster", File("big@faster", bare=True), None),
        ("big@", File("big@", bare=True), None),
        ("@fast", File("@fast", bare=True), None),
        ("", File("", bare=True), None),
    ],
)
def test_a_name_is_read_as(text: str, place: Place, tag: str | None) -> None:
    assert parse(text, ALIASES) == ModelName(text, place, tag)


@given(names)
def test_reading_never_fails_and_loses_nothing(text: str) -> None:
    name = parse(text, ALIASES)
    assert name.text == text
    assert name.tag in (None, "fast", *COPY_TYPES)
    tail = text.removeprefix(name.source)
    assert tail.lower() == ("" if name.tag is None else f"@{name.tag.lower()}")
    if isinstance(name.place, Served):
        assert f"{name.place.server.prefix}:{name.place.rest}" == text
    if isinstance(name.place, File):
        assert name.place.path == name.source
    assert names_a_file(text) == (isinstance(name.place, File) and not name.place.bare)


def test_aliases_of_servers_are_followed_and_others_stay() -> None:
    assert follow("mine", ALIASES) == parse("remote:http://localhost:8000#m")
    assert follow("box", ALIASES).text == "remote:http://localhost:8000#m"
    for text in ("big", "big@fast", "box@fast", "here", "starter", "nothing"):
        assert follow(text, ALIASES) == parse(text, ALIASES)


def test_the_communities_run_on_a_local_model_where_the_llm_takes_no_adapters() -> None:
    settings = Settings(aliases=ALIASES)
    for model in ("remote:http://localhost:8000#m", "box", "mine"):
        named = settings.model_copy(update={"model": model})
        assert wiring.communities_model(named, "starter") == "starter"
    for model in ("big", "scripted:", "starter", "hf:u/r"):
        named = settings.model_copy(update={"model": model})
        assert wiring.communities_model(named, "starter") == model


@pytest.mark.parametrize("server", SERVERS.values(), ids=lambda server: server.prefix)
def test_every_type_of_server_has_an_engine_and_a_place_in_the_help(server: ServerType) -> None:
    module, _, name = server.engine.partition(":")
    engine = getattr(import_module(module), name)
    assert {"generate", "distribution", "capabilities", "close"} <= set(dir(engine))
    taken = inspect.signature(engine.from_spec).parameters
    assert ("api_key" in taken) == server.is_url
    assert server.form.startswith(f"{server.prefix}:")
    assert server.form in server_forms()


def test_a_type_of_server_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened, told apart, kept offline, and shown without its password, all by its entry."""

    class Elsewhere(ScriptedEngine):
        @classmethod
        def from_spec(cls, spec: str, api_key: ApiKey = NO_KEY, options: object = None) -> Elsewhere:
            assert isinstance(options, RemoteOptions) and options.samples == 7
            opened.append((spec, api_key.secret))
            return cls()

    opened: list[tuple[str, str]] = []
    monkeypatch.setitem(globals(), "Elsewhere", Elsewhere)
    entry = ServerType(
        "elsewhere",
        "elsewhere:URL",
        f"{__name__}:Elsewhere",
        is_url=True,
        adapters=False,
        what="a model elsewhere",
        needs="nothing",
        get="it is there",
    )
    monkeypatch.setitem(model_names.SERVERS, "elsewhere", entry)

    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "general")
    settings = Settings(aliases={"e": "elsewhere:https://example.org/v1#m"}, samples=7)
    with wiring.open_engine("e", settings, lambda _: None) as engine:
        assert isinstance(engine, Elsewhere)
    assert opened == [("https://example.org/v1#m", "general")]
    wary = settings.without_key_for(["elsewhere:https://example.org/v1"])
    wiring.open_engine("e", wary, lambda _: None).close()
    assert opened[1:] == [("https://example.org/v1#m", "")]
    with pytest.raises(InvalidInput, match="offline"):
        wiring.open_engine("e", settings.model_copy(update={"offline": True}), lambda _: None)
    assert wiring.communities_model(settings.model_copy(update={"model": "e"}), "starter") == "starter"
    assert without_credentials("elsewhere:user:pw@host?x") == "elsewhere:host"
    assert url_of("elsewhere:https://example.org") == "https://example.org"


@pytest.mark.parametrize(
    ("name", "brief"),
    [
        ("/home/ada/models/qwen.gguf", "qwen.gguf"),
        ("./qwen.gguf@Q4_0", "qwen.gguf@Q4_0"),
        ("qwen.gguf", "qwen.gguf"),
        ("starter", "starter"),
        ("hf:Qwen/Qwen2.5-1.5B:q4_k_m", "hf:Qwen/Qwen2.5-1.5B:q4_k_m"),
        ("remote:http://box:80/v1#a/b.gguf", "remote:http://box:80/v1#a/b.gguf"),
        ("scripted:some/file.json", "scripted:some/file.json"),
    ],
)
def test_paths_alone_lose_their_folders(name: str, brief: str) -> None:
    assert without_folders(name) == brief
