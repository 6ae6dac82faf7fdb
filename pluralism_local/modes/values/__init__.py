"""Values, rights and duties at stake as steps: listed by the LLM, weighed, merged, and given a reason each.

    situation ──finder──> stakes ──assessor──> relevance, valence, reasons ──> Values
    find_values (running): all of it on an engine, with progress

What is found, and how it is shown, is in `pluralism_local.values`.
"""
