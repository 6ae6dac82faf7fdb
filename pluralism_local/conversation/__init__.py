"""One conversation, whoever has it: what command line, chat, Python API and servers share.

    settings, choices ──ask_builder──> Ask ──asking──> events ──> a front end        engines: what it is asked of
                                          └──history_log──> the history ──ask_builder.going_on──> the next ask
    rehearsal: an ask without decoding      trace: whose comment a sentence of the answer comes from
    pool_draft, pool_file: a pool put together and kept      export: a conversation as a file

Nothing here parses a command line, draws, or prints.
"""
