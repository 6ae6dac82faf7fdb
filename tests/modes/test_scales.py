"""Ordered scales as surveys print them, and lists that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.modes.scales import is_scale

SCALES = """
Very favorable|Somewhat favorable|Somewhat unfavorable|Very unfavorable|DK/Refused
Completely agree|Mostly agree|Mostly disagree|Completely disagree
Strongly approve|Approve|Disapprove|Strongly disapprove|DK/Refused
Very good|Somewhat good|Neither good nor bad|Somewhat bad|Very bad
Increase a lot|Increase a little|Stay about the same|Decrease a little|Decrease a lot
Will definitely happen|Will probably happen|Will probably not happen|Will definitely not happen
Excellent|Good|Only fair|Poor
The best|Above average|Average|Below average|The worst
Get better|Stay about the same|Get worse
Very big problem|Moderately big problem|Small problem|Not a problem at all
Major threat|Minor threat|Not a threat
A great deal|A fair amount|Not too much|None at all|Don't know
All or most|Some|Only a few|None|Not sure
Always|Often|Sometimes|Never
Extremely important|Very important|Moderately important|Only a little important|Not at all important
A great danger|Moderate danger|Small danger|No danger at all
Less than 1 year|1-5 years|6-10 years|11-20 years|More than 20 years
Less than $30,000|$30,000 to $75,000|More than $75,000
Never|Once|Twice|3 or more
1|2|3|4|5
More than once a week|Once a week|Once or twice a month|A few times a year|Seldom|Never
Daily|Weekly|Monthly|Never
Very liberal|Liberal|Moderate|Conservative|Very conservative
12.05.2020|13.05.2020|14.05.2020
Release 1.9.1|Release 1.9.2|Release 2
""".strip()
OTHERS = """
Yes|No
Yes|No|DK/Refused
Army|Navy|Air force
Better|Worse|About the same
Helps a lot|Helps a little|Hurts a little|Hurts a lot|Neither helps nor hurts
Support|Oppose|Either
Israel|Palestinians|Both (VOL)|Neither (VOL)
Very big problem|Not a problem at all|Moderately big problem|Small problem
Men are better|Women are better|No difference
Route 66|Plan 9|Area 51
Ban them|Allow them at lunch|Allow them always
31.12.2020|1.1.2021|15.12.2020
10.0.0.1|192.168.0.1|127.0.0.1
Christianity|Islam|Judaism|Hinduism|None (VOL)
""".strip()


@pytest.mark.parametrize("options", SCALES.splitlines())
def test_a_scale_is_known_from_either_end(options: str) -> None:
    assert is_scale(options.split("|"))
    assert is_scale(options.split("|")[::-1])


@pytest.mark.parametrize("options", OTHERS.splitlines())
def test_what_has_no_order_is_none(options: str) -> None:
    assert not is_scale(options.split("|"))


@given(st.lists(st.text(alphabet="0123456789., -+aé٣²", max_size=20), max_size=5))
def test_any_figures_are_read(options: list[str]) -> None:
    assert is_scale(options) in (True, False)
