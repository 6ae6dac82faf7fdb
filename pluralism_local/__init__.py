"""Pluralistic answers from language models, on your own machine.

The package is a core (types, communities, engine, modes) and thin front ends over it: a command line (cli), a chat
(tui), and for scripts and notebooks the names below (api):

    import pluralism_local as plural
    with plural.open("starter", pool="perspectives") as p:
        print(p.ask("Should phones be banned in schools?").answer)

Nothing is loaded before a name is used, so that `plocal --help` and this import stay fast.
"""

from importlib import import_module

__version__ = "0.2.0.dev0"

_ROOMS = {
    **dict.fromkeys(("Session", "open"), "api"),
    **dict.fromkeys(("Answer", "Answers"), "answers"),
    **dict.fromkeys(
        (
            "EngineFailure",
            "InvalidInput",
            "NotFound",
            "PlocalError",
            "Refused",
            "RemoteFailure",
            "Unsupported",
        ),
        "errors",
    ),
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
