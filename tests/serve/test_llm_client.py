"""Simon Willison's `llm` against our server, set up as docs/serve.md says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pluralism_local.engine.scripted import ScriptedEngine
from tests.support.api_server import Served, served
from tests.support.command_line import Ran, Run

cli = pytest.importorskip(
    "llm.cli", reason="llm is not installed; the starter brings it (pip install 'pluralism-local[starter]')"
)

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
PLACE = "http://127.0.0.1:8642/v1"


def entries() -> list[dict[str, str]]:
    """The models of the page."""
    block = re.search(r"```yaml\n(- model_id: overton\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    listed: list[dict[str, str]] = yaml.safe_load(block[1])
    assert {entry["api_base"] for entry in listed} == {PLACE}
    return listed


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(record=True)


@pytest.fixture
def server(village: Path, engine: ScriptedEngine) -> Iterator[Served]:
    with served(engine) as running:
        yield running


def set_up(folder: Path, server: Served, **more: str) -> Run:
    """`llm` in a folder of its own, knowing the page's models at this server; its cultures are the village."""
    from click.testing import CliRunner  # which llm brings

    folder.mkdir()
    models = [
        {
            **entry,
            "api_base": server.url,
            "model_name": entry["model_name"].replace("cultures", "village"),
            **more,
        }
        for entry in entries()
    ]
    (folder / "extra-openai-models.yaml").write_text(yaml.safe_dump(models))
    environ = {"LLM_USER_PATH": str(folder), "OPENAI_API_KEY": None}

    def run(*arguments: str, stdin: str = "") -> Ran:
        ran = CliRunner().invoke(cli.cli, arguments, input=stdin, env=environ)
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    return run


@pytest.fixture
def llm(tmp_path: Path, server: Served) -> Run:
    return set_up(tmp_path / "llm", server)


def said(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return ran.out.strip()


def test_it_asks_in_a_stream_and_whole_and_goes_on_from_what_was_said(
    llm: Run, server: Served, engine: ScriptedEngine
) -> None:
    streamed = said(llm("-m", "overton", "Is tipping fair?"))
    whole = said(llm("-m", "overton", "--no-stream", "Is tipping fair?"))
    direct = server.chat("Is tipping fair?").json()["choices"][0]["message"]["content"]
    assert streamed == whole == direct
    before = len(engine.calls)
    followed = said(llm("-c", "And for the cooks?"))
    assert followed not in ("", whole)
    comments = [
        [message.content for message in request.messages] for request in engine.calls[before].requests
    ]
    assert len(comments) == 3 and all("And for the cooks?" in texts[-1] for texts in comments)
    assert len({texts[-2] for texts in comments}) == 3  # each goes on from its own comment
    (logged,) = json.loads(said(llm("logs", "-n", "1", "--json")))
    assert logged["response"].strip() == followed
    assert logged["input_tokens"] and logged["output_tokens"]


def test_options_a_system_prompt_and_lines_at_the_head_reach_the_modes(llm: Run, server: Served) -> None:
    question = "attribute: rural voters\nIs hunting wrong?"
    steered = said(llm("-m", "steerable", "-o", "max_tokens", "5", "-s", "Be brief.", question))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
    body = {"model": "steerable", "messages": messages, "max_tokens": 5}
    direct = server.request("POST", "/v1/chat/completions", body).json()
    assert steered == direct["choices"][0]["message"]["content"]
    assert (direct["plural"]["attribute"], direct["choices"][0]["finish_reason"]) == (
        "rural voters",
        "length",
    )
    assert said(llm("-m", "shares", "options: Yes | No\nBan phones?")) in ("Yes", "No")
    talk = said(llm("chat", "-m", "overton", stdin="Is tipping fair?\nquit\n"))
    assert server.chat("Is tipping fair?").json()["choices"][0]["message"]["content"] in talk


def test_the_pages_lines_run_as_written(llm: Run) -> None:
    lines = re.findall(r"^llm (-.*)$", PAGE.read_text(), re.MULTILINE)
    answers = [said(llm(*shlex.split(line.replace("$'", "'").replace("\\n", "\n")))) for line in lines]
    assert len(answers) == 4 and all(answers) and answers[-1] in ("A. Yes", "B. No")


def test_what_is_refused_is_told_in_our_words(llm: Run) -> None:
    lacking = llm("-m", "steerable", "Is hunting wrong?")
    assert (lacking.code, "attribute" in lacking.err) == (1, True)


def test_a_token_is_its_key(tmp_path: Path, village: Path) -> None:
    token = "kT3vXq9Lw2_mZr8B"
    with served(token=token) as server:
        llm = set_up(tmp_path / "llm", server, api_key_name="plocal")
        stranger = llm("-m", "overton", "--key", "wrong", "Is tipping fair?")
        assert (stranger.code, "it is the server's token" in stranger.err) == (1, True)
        said(llm("keys", "set", "plocal", "--value", token))
        assert said(llm("-m", "overton", "Is tipping fair?"))
