"""`plocal communities judge`: the voices of a pool, judged.

judge    the command
options  its own options
running  opens models, shows the plan or what came of it; the work is `evaluation.voices.service`'s
tables   tables and strips for people
"""
