"""Models and communities from the Hub, and communities to it.

    hf:user/repo[:QUANT][@REVISION] ──models.choose, fetch──> a file of the Hub's cache
    recommended.json ──recommended──> which of them fits this machine
    FOLDER | hf:user/repo | paper ──communities.pull──> cards in the user's folder
    card ──pushing.plan, push──> a repository

Every transfer is one that the user asked for; what it would take is known before it begins.
"""
