"""How a local model is run, checked, and the counts of what its engine did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pluralism_local.engine.counters import Counters
from pluralism_local.engine.lookup import RowCosts
from pluralism_local.engine.together import AdapterBatching
from pluralism_local.errors import InvalidInput
from pluralism_local.types import MAX_THREADS


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How to run a model.

    Attributes:
        ctx_size: tokens of prompt and answer at most; None for what the model was trained with.
        gpu_layers: layers on the GPU; ``"auto"`` is all of them where this build has a GPU, else none.
        threads: None for the physical cores this process may use.
        lanes: contexts side by side; None to choose.
        template: ``"none"`` ignores the model's chat template.
        cache_bytes: memory for prefixes and kept sequences.
        weights_dir: where a base in a type that CPUs multiply slowly is kept once more, in a fast one; None runs
            the file itself. See `fast_weights`.
        prefix_dir: where cells of what recurs from ask to ask are kept; None keeps them in memory only. See
            `prefix_files`.
        trial_dir: where is remembered how models run on this machine, tried in a child process before they are loaded;
            None loads them untried. See `model_safety`.
        lookup: guess what comes next where a text is written alone, see `lookup`; it changes speed, and rounding.
        row_costs: what is known of the cost of a batch's rows; None takes what is usual.
        plan_dir: where is remembered how models run fastest on this machine, measured at their first use; None runs
            them by fixed rules. See `planner`.
        remeasure: measure anew, on a busy machine too.
        together: how several adapters run in one call, see `together`: "stacked" in one batch, "apart" one wave each;
            "auto" takes what is faster.
        ignore_end: never draw a token that ends an answer, so that it runs to max_tokens: for measuring.
        log_file: llama.cpp's log is appended here; None keeps only its last lines, for error messages.
    """

    ctx_size: int | None = None
    gpu_layers: Literal["auto", "all"] | int = "auto"
    threads: int | None = None
    lanes: int | None = None
    template: Literal["auto", "none"] = "auto"
    cache_bytes: int = 64 * 2**20
    weights_dir: Path | None = None
    prefix_dir: Path | None = None
    trial_dir: Path | None = None
    lookup: bool = True
    row_costs: RowCosts | None = None
    plan_dir: Path | None = None
    remeasure: bool = False
    together: AdapterBatching = "auto"
    ignore_end: bool = False
    log_file: Path | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("--ctx-size", self.ctx_size),
            ("--threads", self.threads),
            ("lanes", self.lanes),
        ):
            if value is not None and value < 1:
                raise InvalidInput(f"{name} must be at least 1, got {value}.")
        if self.threads is not None and self.threads > MAX_THREADS:
            hint = "More than the machine has processors make nothing faster: leave it out."
            raise InvalidInput(f"--threads must be at most {MAX_THREADS}, got {self.threads}.", hint)
        if isinstance(self.gpu_layers, int) and self.gpu_layers < 0:
            raise InvalidInput(
                f"--gpu-layers must not be negative, got {self.gpu_layers}.", "Use 'all' for all."
            )


@dataclass(slots=True)
class EngineStats(Counters):
    """Counts since the engine was opened; see `Counters` for the rest.

    `stacked` and `apart` are requests with an adapter that ran in either way, `apart_because` why the last ones that
    ran apart did, as a clause.
    """

    model_loads: int = 0
    stack_loads: int = 0
    adapter_loads: int = 0
    stacked: int = 0
    apart: int = 0
    apart_because: str = ""

    @property
    def together(self) -> str:
        """The ways that requests with adapters ran in, for people: "stacked", "stacked, apart"; empty without any."""
        counts = {"stacked": self.stacked, "apart": self.apart}
        return ", ".join(way for way, count in counts.items() if count)

    @property
    def way(self) -> str:
        """`together`, with the reason where requests ran apart: "apart (an adapter's matrices are quantized)"."""
        return f"{self.together} ({self.apart_because})" if self.apart_because else self.together
