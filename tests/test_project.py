"""The project as a whole: one version, documented modules of readable length, files that must be there."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import version
from pathlib import Path

import pytest

from pluralism_local import __version__

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pluralism_local"
LONGEST = 350  # lines of a file
LONGER = {  # of rooms and files that have a reason, more
    "pluralism_local/engine": 490,
    "tests": 450,
}
LONGEST_BODY = 60  # lines of a function without its docstring
PLACEHOLDERS = {"found", "one", "said", "wanted", "kept", "known", "shown", "made", "asked", "heard"}
SHARE = 0.0005  # of all names of values, those that are placeholders


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project and project["dynamic"] == ["version"]
    assert version("pluralism-local") == __version__
    holding = [name(path) for path in sources("pluralism_local") if f'"{__version__}"' in path.read_text()]
    assert holding == ["pluralism_local/__init__.py"]
    assert f"{__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", sources("pluralism_local"), ids=name)
def test_modules_and_what_is_public_in_them_are_documented(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(module)
    public = [
        node
        for node in module.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def names_of_values(path: Path) -> list[str]:
    """Every name that is assigned to, and every parameter, in a file."""
    return [
        node.id if isinstance(node, ast.Name) else node.arg
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    ]


def test_hardly_any_value_has_a_name_that_says_nothing() -> None:
    names = {name(path): names_of_values(path) for path in sources("pluralism_local", "recipes")}
    nameless = {path: [each for each in own if each in PLACEHOLDERS] for path, own in names.items()}
    total = sum(map(len, names.values()))
    assert total > 10_000
    share = sum(map(len, nameless.values())) / total
    assert share <= SHARE, {path: placeholders for path, placeholders in nameless.items() if placeholders}


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        name(path): path.read_text("utf-8").count("\n")
        for path in sources("pluralism_local", "tests", "recipes")
    }
    assert len(lengths) > 50
    most = {
        path: next((lines for room, lines in LONGER.items() if path.startswith(room)), LONGEST)
        for path in lengths
    }
    assert {path: lines for path, lines in lengths.items() if lines > most[path]} == {}


def test_no_function_is_too_long_to_see_whole() -> None:
    lengths = {
        f"{name(path)}: {node.name}": body_length(node)
        for path in sources("pluralism_local", "recipes")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 2000
    assert {function: lines for function, lines in lengths.items() if lines > LONGEST_BODY} == {}


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement behind the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def imports(path: Path, modules: set[str]) -> set[str]:
    """The modules of ours that one imports, wherever in it: in functions and under TYPE_CHECKING, too."""
    own = module_name(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    targets: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            # what is imported from a package is one of its modules, or stands in its __init__
            targets |= {full if (full := f"{base}.{alias.name}") in modules else base for alias in node.names}
    return targets & modules - {own}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "recipes" else parts  # its folder is on the path, not above it
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("folder", ["pluralism_local", "recipes"])
def test_no_modules_import_each_other(folder: str) -> None:
    files = {module_name(path): path for path in sources(folder)}
    modules = set(files)
    assert len(modules) > 20
    order = TopologicalSorter({module: imports(path, modules) for module, path in files.items()})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_what_tests_share_lies_in_one_folder() -> None:
    programs = {"tests/commands_page.py", "tests/tui/screenshots.py"}  # a maintainer runs them
    elsewhere = {
        name(path)
        for path in sources("tests")
        if not path.name.startswith(("test_", "conftest", "__init__"))
        and not path.is_relative_to(ROOT / "tests/support")
        and not path.is_relative_to(ROOT / "tests/mutations")  # a program of its own, in several files
    }
    assert elsewhere == programs


def test_documents_link_to_files_that_exist() -> None:
    documents = [
        *ROOT.glob("*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("adapters/*/README.md"),
    ]
    assert len(documents) > 10
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert "://" in target or (document.parent / target).exists(), f"{name(document)}: {target}"


def test_a_wheel_carries_the_cards() -> None:
    # read from the build's settings; .ci/run installs a wheel and lists them from there
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"adapters": "pluralism_local/adapters"}
    assert {"README.md", "pools"} <= {path.name for path in (ROOT / "adapters").iterdir()}


def test_what_the_source_distribution_takes_is_there() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    included = build["sdist"]["include"]
    assert {"README.md", "docs", "tests"} <= set(included)
    assert [path for path in included if not (ROOT / path).exists()] == []


def test_the_licence_is_there_and_is_the_one_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]


def test_the_justfile_has_the_recipes_and_checks_by_default() -> None:
    text = (ROOT / "Justfile").read_text()
    recipes = re.findall(r"^(\w+)[^:\n]*:(?!=)(.*)$", text, re.MULTILINE)
    assert recipes[0] == ("default", " check")
    assert {"setup", "check", "test", "slow", "lint", "types", "imports", "bench"} <= {
        it for it, _ in recipes
    }


def test_ci_is_a_script_that_bash_can_read() -> None:
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)
