"""README.md and docs/ keep their word: their examples run as written, and what they name exists.

    ```console   lines after ``$ `` are run, in order, in one empty folder with a home of its own
    ```python    run as a script, in the same way
    ```sh        commands that a test cannot run; each begins with one of `NOT_RUN`
    ```text      only in docs/commands.md, which `commands_page` makes from the command line itself
    ```py toml … is for other programs or the config file; it must be well-formed

A console command succeeds, unless it ends in ``; echo $?``: then its output ends as shown. Output is compared
where no model wrote it; there ``…`` stands for the rest of a line, or on a line of its own for any lines.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import pluralism_local
from pluralism_local.cache import KINDS
from pluralism_local.config import Settings
from pluralism_local.results import ModeEvent, Result
from tests import commands_page

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page != commands_page.PAGE),
]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
WHOLE = "\n".join(TEXTS.values())
LONGEST_TOUR = 200

# the two commands of the installation, and what needs a server, a download or minutes
INSTALL = 'pip install -e ".[starter]" && plocal ask --mode overton "Should phones be banned in schools?"'
TEST = 'pip install -e ".[starter,dev]" && pytest'
NOT_RUN = (
    'plocal ask -m "remote:http',
    "plocal ask -m hf:",
    "plocal ask -m remote:office",
    "plocal keys ",
    "plocal bench",
    "plocal models optimize hf:",
    "plocal models pull ",
    "plocal models rm hf:",
    "plocal models default hf:",
    "plocal communities pull ",
    "plocal communities push ",
    "plocal ask --pool paper-",
    "python recipes/",
    "plocal ask -p mine",
    "plocal eval ",
    "plocal communities judge ",
    "plocal chat",
    'pip install "pluralism-local[web]"',
    'pip install "pluralism-local[serve]"',
    "plocal serve",
    "PLOCAL_TOKEN=SECRET plocal serve ",
    "curl http://127.0.0.1:8642/v1/",
    'pip install "llama-cpp-python[server]"',
    "python -m llama_cpp.server ",
    "llm -",  # by tests/serve/test_llm_client.py
    'pip install -e ".[starter]" --extra-index-url ',
)

OF_OTHERS: dict[str, Callable[[str], object]] = {
    "py": lambda text: compile(text, "a page", "exec"),
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
"""What is for other programs or for the config file, by its reader: not run."""

# words of ours around a model's text: what a page shows of them must still be there
LABELS = (
    "Heard (pool ",
    "Chosen: ",
    "Model estimate, not a survey of people",
    "equal weights, no claim about any population",
    "outside the options ",
    " nats · method exact",
    "[1] communities: ",
    '{"event": "answer_delta", "text": ',
    '{"schema": "plocal.result/1", ',
)


@dataclass(frozen=True)
class Example:
    """A command and the output shown under it."""

    command: str
    shown: tuple[str, ...]

    @property
    def answers(self) -> bool:
        """Whether a model writes the output, so that it differs from machine to machine."""
        return "plocal ask" in self.command and not self.fails and "jq -r" not in self.command

    @property
    def fails(self) -> bool:
        return self.command.endswith("; echo $?")


def blocks(language: str, text: str = WHOLE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def examples(block: str) -> Iterator[Example]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield Example(command, tuple(shown))


CONSOLE = [list(examples(block)) for block in blocks("console")]
SHELL = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


def run(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in bash with this interpreter's `plocal`; one thread, since others may keep the cores busy."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environ = {**os.environ, "PATH": path}
    if "plocal ask" in command:
        environ["PLOCAL_THREADS"] = "1"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def matches(shown: tuple[str, ...], output: str) -> bool:
    """Whether the output is as shown; `…` as the module says."""
    pattern = ""
    for line in shown:
        text, cut, _ = line.rstrip().partition("…")
        pattern += (
            r"(?:.*\n)*?" if line.strip() == "…" else re.escape(text) + (".*" if cut else r"[ ]*") + r"\n"
        )
    whole = output if not output or output.endswith("\n") else f"{output}\n"
    return re.fullmatch(pattern, whole) is not None


def shares(value: Any) -> Iterator[list[float]]:
    """Every distribution inside a parsed JSON value."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if key == "p":
                yield inside
            elif key == "per_community":
                yield from inside.values()
            else:
                yield from shares(inside)


def takes_seconds(block: list[Example]) -> bool:
    """Whether a real model writes answers in it."""
    return any(it.answers and "scripted:" not in it.command and "--dry-run" not in it.command for it in block)


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, marks=[pytest.mark.slow] if takes_seconds(block) else []) for block in CONSOLE],
    ids=lambda block: block[0].command[:60],
)
def test_examples_run_as_written(block: list[Example], starter_path: Path, tmp_path: Path) -> None:
    if any("| jq" in example.command for example in block) and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    folder = tmp_path / "folder"
    folder.mkdir()
    for example in block:
        done = run(example.command, folder)
        told = f"{example.command}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, told
        assert "Traceback" not in done.stderr, told
        if not example.answers:
            assert matches(example.shown, on_terminal(done, example)), told
        for label in LABELS:
            assert label in done.stdout or label not in "\n".join(example.shown), told
        if "--json" in example.command and "jq -r" not in example.command and not example.fails:
            found = list(shares(json.loads(done.stdout)))
            assert found or "--option" not in example.command
            assert [sum(p) for p in found] == pytest.approx([1.0] * len(found), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("python"))
def test_scripts_run_as_written(block: str, starter_path: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(block, encoding="utf-8")
    for _ in range(2):  # the second time it goes on with its folder
        done = run(f"python {tmp_path / 'script.py'}", tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Should phones be banned in schools? " in done.stdout


def on_terminal(done: subprocess.CompletedProcess[str], example: Example) -> str:
    """Both streams as a terminal shows them; what `echo $?` printed comes last."""
    out, said = done.stdout.splitlines(), done.stderr.splitlines()
    return "\n".join([*out[:-1], *said, out[-1]] if example.fails else [*out, *said])


def test_the_two_commands_are_where_ci_takes_them_from() -> None:
    done = subprocess.run(
        ["bash", ".ci/run", "--commands"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [INSTALL, TEST]
    in_readme = "".join(blocks("sh", README)).splitlines()
    assert INSTALL in in_readme and TEST in in_readme


def test_ci_refuses_a_readme_without_them(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    for text in (
        "",
        README.replace("<!-- ci: test -->", ""),
        README.replace("<!-- ci: test -->", "<!-- ci: test -->\nFirst:\n"),
        README.replace(TEST, f"cd .\n{TEST}"),
    ):
        (tmp_path / "README.md").write_text(text, encoding="utf-8")
        done = subprocess.run(
            ["bash", ".ci/run", "--commands"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0 and "README.md has no block" in done.stderr


def test_what_is_not_run_is_of_few_kinds() -> None:
    others = [line for line in SHELL if line not in (INSTALL, TEST)]
    for line in others:
        assert line.startswith(NOT_RUN), f"put it into a console block: {line}"
        assert not re.search(r"&&|;|\||\$\(|`", line), f"one command a line: {line}"
    assert {start for start in NOT_RUN if any(line.startswith(start) for line in others)} == set(NOT_RUN)
    assert set(re.findall(r"^```(\w+)", WHOLE, re.MULTILINE)) == {"sh", "console", "python", *OF_OTHERS}


@pytest.mark.parametrize("language", OF_OTHERS)
def test_what_other_programs_take_is_well_formed(language: str) -> None:
    for text in blocks(language):
        OF_OTHERS[language](text)


def test_servers_of_the_config_file_are_taken_as_written() -> None:
    for text in blocks("toml"):
        assert Settings.model_validate(tomllib.loads(text)).remote


def test_there_are_examples_of_every_mode() -> None:
    commands = " ".join(example.command for block in CONSOLE for example in block)
    for mode in ("steerable", "dist", "vanilla", "prompting", "moe"):
        assert f"--mode {mode}" in commands
    assert any("--mode" not in example.command for example in CONSOLE[0])  # overton is the default


def test_the_tour_is_short_and_names_every_page() -> None:
    assert README.count("\n") <= LONGEST_TOUR
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"(docs/{page.name})" not in README] == []


def test_the_page_of_commands_is_what_the_command_line_says() -> None:
    assert commands_page.PAGE.read_text(encoding="utf-8") == commands_page.page(), "run: just docs"


def test_every_option_named_exists() -> None:
    foreign = {"--list", "--extra-index-url", "--dist"}  # of just, pip and pytest
    foreign |= {
        "--lora",
        "--lora-init-without-apply",
        "--enable-lora",
        "--lora-modules",
        "--logits",
    }  # of llama-server, vLLM, and llama-cpp-python's server (--logits_all)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", WHOLE)) - foreign
    known = set(re.findall(r"--[a-z][a-z-]+", commands_page.PAGE.read_text(encoding="utf-8")))
    assert len(named) > 15 and named <= known, named - known


def test_every_command_named_exists() -> None:
    known = {words for words in commands_page.commands() if words}
    groups = {words[0] for words in known if len(words) > 1} - {"bench"}  # which is a command, too
    named = set(re.findall(r"(?:^|`|\$ |&& )plocal ([a-z]+)(?: ([a-z]+))?", WHOLE, re.MULTILINE))
    wrong = {
        words for words in named if (words if words[0] in groups and words[1] else words[:1]) not in known
    }
    assert len(named) > 20 and wrong == set()


def test_every_variable_named_exists() -> None:
    named = set(re.findall(r"PLOCAL_[A-Z_]+[A-Z]", WHOLE))
    known = {f"PLOCAL_{field.upper()}" for field in Settings.model_fields}
    known |= set(re.findall(r"env var: (PLOCAL_[A-Z_]+[A-Z])", commands_page.PAGE.read_text("utf-8")))
    source = "".join(file.read_text("utf-8") for file in (ROOT / "pluralism_local").rglob("*.py"))
    unknown = {name for name in named - known if f'"{name}"' not in source}
    assert named and unknown == set()


def first_cells(text: str, heading: str) -> list[list[str]]:
    """What stands in code in the first cell of every row of the table under a heading."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [re.findall(r"`([^`]+)`", cell) for cell in rows]


def test_every_setting_is_explained_with_its_built_in_value() -> None:
    named = [name for row in first_cells(TEXTS["settings.md"], "What can be set") for name in row]
    assert named == list(Settings.model_fields)
    values = {None: "auto", False: "false", True: "true"}
    for row, line in zip(
        first_cells(TEXTS["settings.md"], "What can be set"),
        re.findall(r"^\| `.*$", TEXTS["settings.md"], re.MULTILINE),
        strict=False,
    ):
        fields = [Settings.model_fields[name].get_default(call_default_factory=True) for name in row]
        shown = ["none" if it in ({}, []) else f"{it:g}" if isinstance(it, float) else it for it in fields]
        told = [str(values[it] if it is None or isinstance(it, bool) else it) for it in shown]
        assert line.split("|")[2].strip() == ", ".join(told), line


def test_every_key_of_a_result_is_explained(starter_path: Path, tmp_path: Path) -> None:
    del starter_path  # the shipped communities are asked
    command = 'plocal ask --json -m scripted: --mode dist --option Yes --option No -p press-left "Is it?"'
    result = json.loads(run(command, tmp_path).stdout)
    traced = json.loads(run('plocal ask --json -m scripted: --trace "Is it?"', tmp_path).stdout)
    text = TEXTS["formats.md"]
    named = [name for row in first_cells(text, "plocal.result/1") for name in row]
    assert sorted(named) == sorted({*result, *traced})
    (comment,) = result["comments"]
    inside = [*comment, *result["distribution"], *result["model"], *result["sampling"]["answer"]]
    assert [key for key in [*inside, *result["turn"]] if f"`{key}`" not in text] == []


def test_every_kind_of_the_cache_is_explained() -> None:
    assert first_cells(TEXTS["privacy.md"], "The cache") == [[kind] for kind in KINDS]


def test_every_event_is_named() -> None:
    section = TEXTS["formats.md"].split("\n## Events\n", 1)[1].split("\n## ", 1)[0]
    kinds = [kind.__name__ for kind in get_args(ModeEvent) if kind is not Result]
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower() for kind in kinds]
    assert len(names) > 4 and [name for name in names if f"`{name}`" not in section] == []


def test_every_name_of_the_python_page_exists() -> None:
    names = set(re.findall(r"`plural\.([A-Za-z]\w*)`|`([A-Z][a-z]+[A-Z]?\w*)`", TEXTS["python.md"]))
    exported = {name for pair in names for name in pair if name}
    assert len(exported) >= 7 and [name for name in exported if not hasattr(pluralism_local, name)] == []


def anchors(page: Path) -> set[str]:
    """What a link may name after '#': a page's headings, as GitHub spells them."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, commands_page.PAGE], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert page.name == "README.md" or "../README.md#all-pages" in targets
    for target in targets:
        file, _, anchor = target.partition("#")
        to = page if not file else page.parent / file
        assert to.is_file(), target
        assert not anchor or anchor in anchors(to), target
