"""Screens over the chat that choose something: communities, a model, an earlier conversation, settings; and the help.

    what is shown ──Screen──> dismiss(choice), or dismiss(None): nothing changed

They know nothing of the chat. `frame` holds what all have in common, `rows` the list that they choose from; `confirm`
and `ask_line` are their dialogs. `draft`, `pool_file`, `verify`, `exporting`, `fields`, `model_list` and `…_text`
are values and functions without widgets. Whatever reads or writes files runs in a thread.
"""
