"""The script `plocal`, and `python -m pluralism_local`: Ctrl-C while the command line is loaded leaves no traceback."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # as `cli.exits` has it, which is not loaded yet


def script() -> None:
    """Load the command line and carry it out; ends the process."""
    try:
        from pluralism_local.cli.main import entry

        entry()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    script()
