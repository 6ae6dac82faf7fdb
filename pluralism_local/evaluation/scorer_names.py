"""Names of entailment scorers that are neither a folder nor a Hub id, as options take them and runs remember them."""

from __future__ import annotations

ADAPTER = "adapter"
"""The NLI adapter that comes with the package, on the starter model."""

NO_SCORER = "none"
"""None: responses are kept and not scored."""
