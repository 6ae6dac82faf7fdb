"""Questions on which a persona's habit of saying yes is measured: public ones of many topics that divide people.

On twelve the left of American politics mostly says yes, on twelve the right, so that whoever has a leaning says yes
about as often as no, and what is left over is habit. In our own words; none of them is among the questions on which
voices are judged (`evaluation.voices`).
"""

from __future__ import annotations

REFERENCE = (
    "Should the tax on large inheritances be raised?",
    "Should unemployed people receive benefits for a longer time?",
    "Should landlords be kept from evicting families in winter?",
    "Should striking workers be protected from being replaced?",
    "Should kindergarten be free from the age of three?",
    "Should hospital bills be kept off people's credit records?",
    "Should drug users be sent to treatment rather than to jail?",
    "Should coal power stations be shut down soon?",
    "Should the country take in more refugees?",
    "Should discrimination against gay people be forbidden in shops?",
    "Should the city of Washington become a state?",
    "Should the country work more through the United Nations?",
    "Should taxes on income be cut for everybody, the rich included?",
    "Should Social Security be turned into private savings accounts?",
    "Should nobody have to pay dues to a union at their place of work?",
    "Should parents decide which books are in school libraries?",
    "Should the health care law of 2010 be repealed?",
    "Should people be allowed to carry a hidden gun without a permit?",
    "Should life sentences without parole be given more often?",
    "Should federal land be sold to private owners?",
    "Should soldiers be sent to guard the border?",
    "Should religious charities receive public money?",
    "Should states have more power and the federal government less?",
    "Should the country leave the World Health Organization?",
)
