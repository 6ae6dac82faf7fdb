"""Letters and colours of voices: the same everywhere, apart without colour, legible on every ground."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from pluralism_local.display.voices import ON_DARK, ON_LIGHT, STYLE, looks

ENOUGH = 4.5  # to 1, for text (WCAG 2.2, 1.4.3)
GROUNDS = ("background", "surface")  # what panes and dialogs lie on


def test_letters_go_on_after_z_and_colours_come_round() -> None:
    named = looks([f"v{number}" for number in range(54)])
    assert [named[f"v{number}"].letter for number in (0, 25, 26, 27, 52)] == ["a", "z", "aa", "ab", "ba"]
    assert len({look.letter for look in named.values()}) == 54
    assert named["v0"].hue == named["v8"].hue == 0


def test_a_voice_that_said_nothing_keeps_its_letter() -> None:
    named = looks(["left", "silent", "right"], ["left", "right", "guest"])
    assert {voice: look.letter for voice, look in named.items()} == {
        "left": "a",
        "silent": "b",
        "right": "c",
        "guest": "d",
    }


def grounds(theme: Theme) -> dict[str, Color]:
    colours = theme.to_color_system().generate()
    parsed = {name: Color.parse(colours[name]) for name in GROUNDS}
    return {
        name: ground for name, ground in parsed.items() if ground.a == 1 and ground.ansi is None
    }  # else the terminal's own


@pytest.mark.parametrize("theme", BUILTIN_THEMES.values(), ids=lambda theme: theme.name)
def test_each_colour_can_be_read_in_every_theme(theme: Theme) -> None:
    for look in looks(map(str, range(8))).values():
        colour = Color.parse(look.colour(dark=theme.dark))
        for name, ground in grounds(theme).items():
            assert contrast(colour, ground) >= ENOUGH, (look.hue, name)


def contrast(text: Color, ground: Color) -> float:
    """The ratio of relative luminances (WCAG 2.2)."""
    first, second = sorted((luminance(text), luminance(ground)), reverse=True)
    return (first + 0.05) / (second + 0.05)


def luminance(colour: Color) -> float:
    channels = [value / 255 for value in colour.rgb]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_page_has_a_rule_for_each_colour_on_either_ground() -> None:
    for hue, (light, dark) in enumerate(zip(ON_LIGHT, ON_DARK, strict=True)):
        assert f".voice-{hue} {{ color: {light} }}" in STYLE
        assert f".voice-{hue} {{ color: {dark} }}" in STYLE
