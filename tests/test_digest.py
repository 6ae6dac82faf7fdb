"""Digests of plain values: equal for equal values, whatever the order of keys; the same as files on disk have."""

from __future__ import annotations

import hashlib

from pluralism_local.files import digest


def test_a_digest_is_of_values_and_not_of_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_a_digest_is_the_sha256_of_json_whose_other_characters_stand_for_themselves_unless_escaped() -> None:
    assert digest(["\u00e9"]) == hashlib.sha256('["\u00e9"]'.encode()).hexdigest()
    assert digest(["\u00e9"], escaped=True) == hashlib.sha256(b'["\\u00e9"]').hexdigest()
