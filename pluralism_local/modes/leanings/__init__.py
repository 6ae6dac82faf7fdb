"""Voices that take a side: which one the communities' model leans to under each persona, told before the comment.

    question ──Lean──> log-odds of each voice, less its habit ──sides──> yes | no | none ──Consult──> comments

A model tuned to please says yes to most questions whoever it speaks for, so that personas on it agree in words. Before
it writes, its probabilities do tell them apart: less what a persona says to any question, and less what the whole pool
says to this one.
"""
