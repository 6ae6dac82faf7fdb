"""Positions: what the comments of an ask claim, who holds it, and what the answer makes of it.

    comments ──claims──> claims ──merging──> distinct claims ──stances──> who supports, opposes, is silent ──> Window
    Window ──summary──> sentences about it        Window ──matrix──> voices × positions, for terminals and documents

Nothing here asks a model: `modes.positions` does, as steps, with these functions between them.
"""
