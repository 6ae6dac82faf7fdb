"""The command line: thin commands over the core, one object that writes, one table from error to exit code.

    argv ──> main.main ──> a command (one file per noun) ──> core rooms (imported inside the command)
                │                     └──> output.Output ──> stdout (answer, JSON), stderr (everything else)
                └──> exits.describe(error) ──> message, hint, exit code

Nothing here imports a heavy package at module level, and `commands` imports only the command that is called, so
that `plocal --help` and the first paint of `plocal chat` stay quick.
"""
