"""Reasons: a claim is told apart from the reason or purpose that ends it, where it is whole without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.positions.claims import read_claim, without_reason
from pluralism_local.positions.reasons import main_clause

CUT = """
Phones should be banned in schools | to reduce distraction.
Phones should be banned in schools | in order to let pupils think.
Cities should ban cars from their centres | to improve air quality, reduce traffic congestion, and encourage walking.
Cities should ban cars from their centres | to promote public transportation, but this could have social impacts.
Cities must close their centres to cars | to protect public health.
Voting should be compulsory | to ensure that everyone is represented.
Voting should be compulsory in every country | to give young people a voice.
Rich countries should pay for climate damage in poor ones | to help them recover.
Rich countries ought to pay poor countries for climate damage | to mitigate it.
Rich countries need to pay for climate damage | to address global inequality.
Governments have to raise the price of meat | to reduce its consumption.
Assisted dying should be legal | to respect the wishes of patients.
Assisted dying should be legal and regulated | , to prevent abuse.
People should eat less meat and more vegetables | to protect the environment and improve their health.
Parliament should pass a law on assisted dying | so as to protect doctors.
Meat should be eaten in moderation | to maintain a balanced diet.
Phones should be kept in lockers | to better protect pupils.
Phones should be banned | because they distract.
Eating meat is wrong | because animals suffer.
Meat is a problem | due to the emissions of farms.
Phones should be banned | so that pupils can think.
Meat should be taxed | , so that people eat less of it.
Voting should be compulsory | since it makes parliaments fair.
Eating meat is wrong | , since it harms animals.
Eating meat is right | , as it gives people what they need.
It is not right to eat meat | , as it is important to consider the health of all.
It is wrong to eat meat | since it harms animals.
Assisted dying should be legal | , as they who suffer know best.
Phones should be banned | , as they are a distraction in class.
Phones should be banned to reduce noise unless a teacher needs them | because they distract.
"""

WHOLE = """
Phones help to improve learning.
Phones can be used to improve learning.
Phones should be used to improve learning.
Schools should use phones to improve learning.
Schools should help pupils to reduce noise.
Schools should try to reduce noise.
Schools should encourage pupils to keep phones in lockers.
Schools should allow pupils to make calls.
Cities want to reduce traffic.
Cities should want to reduce traffic.
Cities need to reduce traffic.
Cities ought to improve public transport.
Cities have to do more to reduce traffic.
Cities should adopt measures to reduce traffic.
Measures should be adopted to reduce traffic.
Cities should take steps to improve air quality.
Cities should find a way to protect local shops.
A balanced approach should be taken to encourage responsible use.
Cities should strike a balance to keep shops open.
Rich countries have a duty to protect poor ones.
Rich countries should provide funds to help poor ones.
Rich countries should be required to give money.
Rich countries should contribute to support poor ones.
Rich countries should pay money to countries that suffer.
Rich countries should accept their responsibility to protect poor ones.
Assisted dying gives patients the right to avoid pain.
Doctors should be free to help patients.
Doctors should be able to help patients.
People should vote to protect democracy.
People should be old enough to make a choice.
Parliament should be careful to avoid abuse.
It is right to reduce meat.
It should be legal to help a patient.
It is important to ban phones to reduce noise.
Banning cars is a good way to reduce traffic.
Voting is necessary to maintain democracy.
Phones should not be banned to reduce noise.
Cities should never ban cars to improve air quality.
Phones should be banned only to reduce noise in exams.
Phones should be banned to reduce noise, but only during lessons.
Phones should be banned to reduce noise unless a teacher needs them.
Cars should be banned in order to protect children except on Sundays.
Schools should make it so that pupils listen.
Phones have been banned since they came up.
Nothing has improved since it became compulsory.
Voting is compulsory in Belgium since 1893.
Phones should be banned, as they are in France.
Phones should be banned, as they were in France.
Voting should be compulsory, as it should.
Voting should be compulsory, as it already is.
Treat animals, as they are.
Phones should go from schools to homes.
Phones should not be banned so that pupils can call their parents.
We should not lower taxes so that rich and poor alike have more money to spend.
The law should be changed so that all drugs are legal.
Having a permit so that somebody is accountable.
Teachers should get involved, especially since they have children.
Governments should limit the ability of firms to avoid taxes.
Governments should be trying to make people healthy.
Cities should build more roads even if they have to cut trees.
Questions arise about whether a sacrifice should be justified to save another.
Countries should pay for schools rather than for an agency to tackle climate change.
Countries should found a body to encourage trade.
Broadcasters should have an option to increase the fee.
Schools should be guided by a commitment to keep pupils safe.
Cities should think it okay to limit cars.
Parliaments should ban advertising that may influence children to make bad choices.
It should be legal to help a patient, and it should be legal to support one.
Pupils have a right that they wanted since they were small.
Patients should live, as they choose.
Handys sollten verboten werden, um Lärm zu vermeiden.
"""


def lines(table: str) -> list[str]:
    return table.strip().splitlines()


@pytest.mark.parametrize("line", lines(CUT))
def test_what_is_whole_without_its_reason_stands_without(line: str) -> None:
    claim, _, reason = line.partition(" | ")
    said = f"{claim}{reason}" if reason.startswith(",") else f"{claim} {reason}"
    assert without_reason(said) == f"{claim}."
    assert read_claim(f"The comment claims that {said}") == (f"{claim}.", said)


@pytest.mark.parametrize("claim", lines(WHOLE))
def test_what_needs_what_follows_it_keeps_it(claim: str) -> None:
    assert without_reason(claim) == claim
    assert read_claim(claim) == (claim, "")


def test_the_first_of_two_reasons_ends_the_claim() -> None:
    said = "Phones should be banned to reduce noise because pupils learn better without them, since they are a lure."
    assert without_reason(said) == "Phones should be banned."


@given(st.text(alphabet=" .,abcdefot", max_size=60) | st.sampled_from(lines(WHOLE)))
def test_what_stays_is_the_beginning_of_the_claim_and_stays_as_it_is(claim: str) -> None:
    main = main_clause(claim)
    assert claim.startswith(main) and main_clause(main) == main
