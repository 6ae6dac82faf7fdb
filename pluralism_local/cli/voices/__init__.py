"""`plocal communities judge`: the voices of a pool, judged.

judge   the command and its options
work    opens models and journals, runs what is missing, in order
result  its figures, kept and shown
plan    what it would cost
text    tables and strips for people
"""
