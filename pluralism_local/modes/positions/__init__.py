"""Positions as steps: found in the comments, assigned to voices, and made into an answer that names its sources.

    comments ──finder──> claims ──assigner──> Window ──synthesis──> Answered

The arithmetic between the steps is in `pluralism_local.positions`.
"""
