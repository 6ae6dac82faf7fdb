"""The folder of a training: what is in it while it runs, what it holds when it is finished, and whose it is.

    RunFolder(path, digest) ──open──> the checkpoint to resume from, or None
      run.json         the run's identity, and figures that are taken once (`remember`)
      checkpoint-N/    of the Trainer, while it runs; the latest alone
      log.jsonl        a line per report
      adapter/         the PEFT adapter
      training.json    the record that export and cards read; written last, so a run without one is unfinished

A folder of another configuration is refused, and a finished one too, unless the run shall begin anew. Too little space
is an error before any weight is loaded; weights that became no numbers end a run before anything is written or removed.
"""

from __future__ import annotations

import datetime
import json
import math
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from communitylm.training.plan import TrainingPlan
from pluralism_local import __version__
from pluralism_local.errors import EngineFailure, Refused
from pluralism_local.files import write_atomic

STATE, RECORD, PEFT_FOLDER, LOG = "run.json", "training.json", "adapter", "log.jsonl"
_BYTES_PER_WEIGHT = 4 * (1 + 2) * 3
"""float32 weights and AdamW's two moments, in the old checkpoint, the new one, and the adapter with room to spare."""
_SPARE_BYTES = 50 * 2**20


class RunFolder:
    """A run's folder.

    Args:
        path: where it is or will be.
        digest: of the run's plan.
        further: names of other files and folders that the run leaves in it, e.g. ``"held_out.jsonl"``.
    """

    def __init__(self, path: Path, digest: str, further: Sequence[str] = ()) -> None:
        self.path, self._digest, self._further = path, digest, further

    def open(self, weights: int, *, restart: bool) -> Path | None:
        """Make the folder fit for the run; the checkpoint to resume from, if any.

        Args:
            weights: of the adapter, for the space that it will take.
            restart: whether what an earlier run left is thrown away.

        Raises:
            Refused: the folder holds a finished run, one of another configuration, or no run at all.
            EngineFailure: too little space.
        """
        if restart and self.path.exists():
            self._clear()
        state = self.path / STATE
        if (self.path / RECORD).exists():
            raise Refused(f"{self.path} holds a finished run.", "Export it, or train anew with --restart.")
        if state.exists():
            if self.remembered("digest") != self._digest:
                raise Refused(
                    f"{self.path} holds an unfinished run of another configuration, data or base.",
                    "Change them back to resume it, or begin anew with --restart.",
                )
        elif self.path.exists() and any(self.path.iterdir()):
            raise Refused(f"{self.path} is not empty and no run of this recipe.", "Give another --output.")
        self.path.mkdir(parents=True, exist_ok=True)
        self._check_space(weights)
        if not state.exists():
            write_atomic(state, json.dumps({"digest": self._digest}) + "\n")
        whole = [path for path in self.path.glob("checkpoint-*") if (path / "trainer_state.json").exists()]
        return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def remembered(self, key: str) -> Any:
        """What `remember` has put under a key; None if nothing."""
        return json.loads((self.path / STATE).read_text()).get(key)

    def remember(self, key: str, value: Any) -> None:
        """Keep a figure that is taken once, for a run that resumes."""
        state = json.loads((self.path / STATE).read_text())
        write_atomic(self.path / STATE, json.dumps({**state, key: value}) + "\n")

    def refuse_nan(self, loss: float) -> None:
        """Raise EngineFailure if the trained weights are no numbers."""
        if not math.isfinite(loss):
            raise EngineFailure(
                "The training diverged: the held-out loss is no number.",
                f"The last checkpoint in {self.path} may still be sound. Train anew with --restart and a lower "
                "training.rate.",
            )

    def remove_checkpoints(self) -> None:
        """What only a run that goes on needs."""
        for checkpoint in self.path.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)

    def _clear(self) -> None:
        for old in (
            *self.path.glob("checkpoint-*"),
            *(self.path / name for name in (PEFT_FOLDER, *self._further)),
        ):
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
        for name in (STATE, RECORD, LOG, *self._further):
            if not (self.path / name).is_dir():
                (self.path / name).unlink(missing_ok=True)

    def _check_space(self, weights: int) -> None:
        needed, free = weights * _BYTES_PER_WEIGHT + _SPARE_BYTES, shutil.disk_usage(self.path).free
        if free < needed:
            raise EngineFailure(
                f"The run needs about {needed / 1e6:.0f} MB in {self.path}, and {free / 1e6:.0f} MB are free.",
                "Free some space, or give --output on another disk.",
            )


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Finish a run: its record, whole or not at all."""
    write_atomic(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def record_of(plan: TrainingPlan, seconds: float, wall: float) -> dict[str, Any]:
    """What every record says of a run.

    Args:
        seconds: of stepping. wall: seconds of the whole run.
    """
    return {
        "base": {
            "reference": plan.base.reference,
            "model": plan.base.name,
            "fingerprint": plan.base.fingerprint,
            "path": str(plan.base.gguf) if plan.base.gguf else None,
        },
        "steps": plan.steps,
        "settings": {key: value for key, value, _ in plan.settings.rows()},
        "seed": plan.settings.values.training.seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": plan.device,
        "precision": plan.precision,
        "minutes": round(wall / 60, 1),
        "training_minutes": round(seconds / 60, 1),
        "machine": f"{platform.machine()}, {platform.system()}",
        "digest": plan.digest,
        "version": __version__,
    }
