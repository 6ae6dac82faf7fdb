"""Facts about the starter model, and how the engine is opened over it where others work, too."""

from __future__ import annotations

from collections.abc import Callable

from pluralism_local.engine.llama import LlamaOptions
from pluralism_local.types import AdapterRef

ASSISTANT_HEADER = (1, 520, 9531, 198)
"""``<|im_start|>assistant\\n`` in the starter model's vocabulary."""

MakeRef = Callable[..., AdapterRef]

ONE_THREAD_EACH = LlamaOptions(threads=1, lanes=2)
"""Two lanes as on two cores, but no thread waits for another: quick on a busy machine too."""
