"""Values, rights and duties at stake in a situation (Value Kaleidoscope, Sorensen et al., AAAI 2024).

    the LLM's list ──listing──> Stake…      probabilities ──stakes──> Values ──tables, page, record──> what is shown

How a model is asked for them is in `modes.values`.
"""
