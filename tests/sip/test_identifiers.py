from __future__ import annotations

from itertools import chain

from sip_stager.sip.identifiers import Identifiers


def test_no_identifier_is_generated_twice() -> None:
    identifiers = Identifiers(b"seed")
    made = list(chain.from_iterable((identifiers.branch(), identifiers.tag()) for _ in range(500)))
    assert len(set(made)) == 1000


def test_a_branch_begins_with_the_cookie_and_a_tag_has_32_bits_or_more() -> None:
    identifiers = Identifiers(b"seed")
    assert identifiers.branch().startswith(b"z9hG4bK")
    assert len(bytes.fromhex(identifiers.tag().decode())) * 8 >= 32


def test_equal_seeds_generate_equal_identifiers() -> None:
    first, again, other = Identifiers(b"a"), Identifiers(b"a"), Identifiers(b"b")
    assert first.branch() == again.branch() != other.branch()


def test_a_stateless_branch_depends_only_on_its_parts() -> None:
    identifiers = Identifiers(b"seed")
    branch = identifiers.stateless_branch(b"a", b"bc")
    identifiers.branch()
    assert identifiers.stateless_branch(b"a", b"bc") == branch
    assert identifiers.stateless_branch(b"ab", b"c") != branch
    assert Identifiers(b"other").stateless_branch(b"a", b"bc") != branch


def test_every_byte_of_a_long_seed_counts() -> None:
    assert Identifiers(b"x" * 99 + b"a").tag() != Identifiers(b"x" * 99 + b"b").tag()
