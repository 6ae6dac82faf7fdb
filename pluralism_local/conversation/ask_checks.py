"""What an ask's options need of its mode, checked before a model is opened.

mode, options ──check_…──> nothing | InvalidInput
"""

from __future__ import annotations

from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import SPECS, ModeName, listed


def check_mode(mode: ModeName, *, trace: bool, positions: bool, own_prompts: bool) -> None:
    """Raises: InvalidInput for an option that does nothing in this mode."""
    if trace:
        check_traceable(mode)
    if positions:
        check_positions("--positions", mode)
    if own_prompts:
        check_positions("--prompts own", mode)


def check_traceable(mode: ModeName) -> None:
    """Raises: InvalidInput for a mode whose answer is not written from all comments together."""
    from pluralism_local.conversation.trace import TRACEABLE

    if mode not in TRACEABLE:
        raise InvalidInput(
            f"Only an {listed(TRACEABLE)} answer can be traced to comments.",
            f"Leave --trace out, or use --mode {TRACEABLE[0]}.",
        )


def check_positions(option: str, mode: ModeName) -> None:
    """Raises: InvalidInput for a mode whose answer is no text of many comments, when `option` is given."""
    together = [spec.name for spec in SPECS.values() if spec.comments == "together"]
    if mode not in together:
        raise InvalidInput(
            f"{option} is about the positions of comments, which is for the mode {listed(together)}, not for {mode}.",
            f"Leave {option} out, or use --mode {together[0]}.",
        )


def check_draws(draws: int, mode: ModeName, voices: int) -> None:
    """Raises: InvalidInput as `check_positions`, and for too few or too many comments.

    Args:
        draws: comments of each voice.
    """
    from pluralism_local.positions.shares import MOST

    check_positions("--draws", mode)
    if draws < 2:
        raise InvalidInput(
            "--draws needs at least 2 comments of each community.", "8 or more tell something."
        )
    if draws * voices > MOST:
        raise InvalidInput(
            f"{draws} comments of {voices} communities are {draws * voices}, and at most {MOST} are compared.",
            f"Draw {MOST // voices} of each, or choose fewer communities with --community."
            if MOST // voices > 1
            else "Choose fewer communities with --community.",
        )
