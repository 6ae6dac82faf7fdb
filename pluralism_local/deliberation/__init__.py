"""The arithmetic and the looks of voices that deliberate: rules of social choice, what changed in a round, tables.

    scores ──rules──> welfare ──verdict──> Agreement ──summary, matrix, page──> text, Markdown, HTML

Nothing here asks a model; the steps that do are in `modes.deliberation`.
"""
