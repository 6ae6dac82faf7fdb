"""The village of the command line's tests, and cards with real adapters."""

from __future__ import annotations

from tests.communities.conftest import base_header, make_adapted
from tests.tui.conftest import village

__all__ = ["base_header", "make_adapted", "village"]
