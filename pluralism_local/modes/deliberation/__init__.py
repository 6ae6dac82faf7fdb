"""Voices that hear each other, as steps: rounds of comments, and a jury over statements.

    comments ──rounds──> comments of the last round        comments ──jury──> Agreement, whose first statement answers

The arithmetic between the steps is in `pluralism_local.deliberation`, the ask driver's part in `carrying`.
"""
