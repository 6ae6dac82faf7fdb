# What a maintainer runs; `just` alone runs every check.
default: check

# Install the package for development, with the starter model.
setup:
    pip install -e ".[starter,dev]"

# Everything that must hold before a commit; slow tests are apart.
check: lint types imports test

# The quick tests; arguments go to pytest: just test tests/engine -k cancel
test *args:
    pytest {{args}}

# The tests that take more than a few seconds each.
slow:
    pytest -m slow

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

# This machine against the loop that a user would write today.
bench *args:
    plocal bench --compare naive {{args}}
