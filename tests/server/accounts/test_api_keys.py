"""A key is never more than the key that made it, whatever anybody asks for, at any moment: any tree, any order."""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from slidewire.server.accounts.api_keys import (
    KEY_SECONDS,
    LONGEST_KEY_SECONDS,
    PER_MINUTE,
    ApiKey,
    BeyondParent,
    Bounds,
    Scope,
    Wanted,
    are_within,
    bounds_of_new_key,
    network,
)
from slidewire.server.accounts.store import AccountStore, Denied
from slidewire.server.store.sql_accounts import SqlAccounts

NOW = 1_800_000_000.0
DAY = 86_400.0
FIXED = settings(max_examples=200)

# Few enough networks and addresses that they meet: halves, wholes, neighbours, both families.
NETWORKS = [
    "0.0.0.0/0", "::/0", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16", "10.1.2.3/32", "192.0.2.0/24",
    "192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32", "2001:db8::/33", "2001:db8:8000::/33", "2001:db8::1/128",
]  # fmt: skip
ADDRESSES = [
    "10.0.0.1", "10.1.2.3", "10.200.0.1", "11.0.0.1", "192.0.2.1", "192.0.2.200", "192.0.3.1", "2001:db8::1",
    "2001:db8:8000::1", "2001:db9::1", "?",
]  # fmt: skip

networks = st.lists(st.sampled_from(NETWORKS), max_size=4, unique=True).map(tuple)
scopes = st.frozensets(st.sampled_from(Scope), min_size=1)
wanted_keys = st.builds(
    Wanted,
    scopes,
    st.none() | st.sampled_from([60.0, 3600.0, DAY, 89 * DAY, 730 * DAY, 10_000 * DAY]),
    networks,
    st.none() | st.sampled_from([1, 59, 60, 61, 1000, 6000]),
)
some_bounds = st.builds(
    Bounds, scopes, st.sampled_from([NOW + 1, NOW + 60, NOW + DAY, NOW + 730 * DAY]), networks, st.integers(1, 6000)
)


class TestBounds:
    @FIXED
    @given(networks, networks)
    def test_within_is_what_it_means_for_every_address(self, inner: tuple[str, ...], outer: tuple[str, ...]) -> None:
        everywhere = Bounds(frozenset(Scope), NOW, (), 1)
        one, other = replace(everywhere, addresses=inner), replace(everywhere, addresses=outer)
        if are_within(inner, outer):
            assert not [a for a in ADDRESSES if one.may_come_from(a) and not other.may_come_from(a)]
        else:
            # There is an address of the one that is none of the other: the networks' own ends are candidates enough.
            edges = [
                str(net[at]) for text in (*inner, *NETWORKS) for net in [ipaddress.ip_network(text)] for at in (0, -1)
            ]
            beyond = [
                a for a in (*edges, "11.0.0.1", "2001:db9::1") if one.may_come_from(a) and not other.may_come_from(a)
            ]
            assert beyond or not inner

    @FIXED
    @given(some_bounds, some_bounds, some_bounds)
    def test_containing_is_an_order(self, a: Bounds, b: Bounds, c: Bounds) -> None:
        assert a.contains(a)
        assert not (a.contains(b) and b.contains(c)) or a.contains(c)

    @FIXED
    @given(some_bounds, wanted_keys)
    def test_whatever_is_asked_for_a_child_is_within_its_parent(self, parent: Bounds, wanted: Wanted) -> None:
        try:
            child = bounds_of_new_key(wanted, parent, NOW)
        except BeyondParent as no:
            code = no.code
        else:
            code = ""
        if not wanted.scopes <= parent.scopes:
            assert code == "beyond_own_scopes"
            return
        if wanted.addresses and not are_within(wanted.addresses, parent.addresses):
            assert code == "beyond_own_addresses"
            return
        assert code == ""
        assert parent.contains(child) and child.scopes == wanted.scopes
        assert wanted.seconds is None or child.expires <= NOW + wanted.seconds
        assert wanted.per_minute is None or child.per_minute <= wanted.per_minute

    def test_what_is_not_asked_for_is_the_parent_s(self) -> None:
        parent = Bounds(frozenset({Scope.ADMIN}), NOW + 60, ("192.0.2.7/32",), 3)
        assert bounds_of_new_key(Wanted(frozenset({Scope.ADMIN})), parent, NOW) == parent

    def test_nor_by_an_operator_the_usual(self) -> None:
        usual = Bounds(frozenset({Scope.READ}), NOW + KEY_SECONDS, (), PER_MINUTE)
        assert bounds_of_new_key(Wanted(frozenset({Scope.READ})), None, NOW) == usual

    def test_no_key_is_good_for_ever(self) -> None:
        made = bounds_of_new_key(Wanted(frozenset({Scope.READ}), 1e12), None, NOW)
        assert made.expires == NOW + LONGEST_KEY_SECONDS

    @pytest.mark.parametrize(
        ("text", "written"),
        [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::/0", "::/0"),
            ("2001:DB8::/48", "2001:db8::/48"),
        ],
    )
    def test_a_network_is_written_in_one_way(self, text: str, written: str) -> None:
        assert network(text) == written

    def test_two_halves_hold_the_whole_and_no_more(self) -> None:
        assert are_within(("10.0.0.0/8",), ("10.0.0.0/9", "10.128.0.0/9"))
        assert not are_within(("10.0.0.0/7",), ("10.0.0.0/9", "10.128.0.0/9"))
        assert not are_within(("::/0",), ("0.0.0.0/0",)) and not are_within((), ("0.0.0.0/0", "::/0"))


class Trees(RuleBasedStateMachine):
    """The real book and its file, beside a plain memory of who made whom and who was ended."""

    made = Bundle[tuple[ApiKey, str]]("made")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.book = AccountStore(SqlAccounts(self.folder / "accounts.sqlite3"))
        self.now = NOW
        self.password = 0
        self.tokens: dict[str, str] = {}
        self.keys: dict[str, ApiKey] = {}
        self.ended: set[str] = set()
        self.session = self.book.accept(self.book.invite(None, NOW), "ada", "0", NOW)

    def teardown(self) -> None:
        self.book.close()
        shutil.rmtree(self.folder)

    def is_good(self, key: str) -> bool:
        """As it should be: nothing that it hangs on has ended."""
        known = self.keys[key]
        above = known.parent is None or self.is_good(known.parent)
        return above and key not in self.ended and self.now < known.bounds.expires

    def remember(self, key: ApiKey, token: str) -> tuple[ApiKey, str]:
        self.keys[key.id], self.tokens[key.id] = key, token
        return key, token

    @rule(target=made, wanted=wanted_keys)
    def by_an_operator(self, wanted: Wanted) -> tuple[ApiKey, str]:
        session = self.book.session_of(self.session.access, self.now)
        if session is None:
            self.session = self.book.open_session("ada", str(self.password), self.now)
            session = self.book.session_of(self.session.access, self.now)
            assert session is not None
        return self.remember(*self.book.make_key("k", wanted, session, self.now))

    @rule(target=made, parent=made, wanted=wanted_keys, within=st.booleans())
    def by_a_key(self, parent: tuple[ApiKey, str], wanted: Wanted, within: bool) -> tuple[ApiKey, str]:
        maker, _ = parent
        if within:
            wanted = replace(wanted, scopes=maker.bounds.scopes, addresses=())
        try:
            return self.remember(*self.book.make_key("k", wanted, maker, self.now))
        except (Denied, BeyondParent) as no:
            why = no.code
        if why.startswith("beyond"):
            assert self.is_good(maker.id) and not within
        else:
            assert not self.is_good(maker.id) or why == "too_many_keys"
        return parent

    @rule(key=consumes(made))
    def revoke(self, key: tuple[ApiKey, str]) -> None:
        good = [one for one in self.keys if self.is_good(one)]
        ended = self.book.revoke_key(key[0].id)
        self.ended.add(key[0].id)
        after = [one for one in self.keys if self.is_good(one)]
        assert ended >= len(good) - len(after)

    @rule(seconds=st.sampled_from([1.0, 61.0, 3600.0, 2 * DAY]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sign_out_everywhere(self) -> None:
        if self.book.revoke(self.session.refresh, everywhere=True) is not None:
            self.ended |= self.keys.keys()

    @rule()
    def another_password(self) -> None:
        session = self.book.session_of(self.session.access, self.now)
        with contextlib.suppress(Denied):
            assert session is not None or self.book.session_of(self.session.access, self.now) is None
            if session is not None:
                old, self.password = str(self.password), self.password + 1
                self.session = self.book.change_password(session.id, old, str(self.password), self.now)
                self.ended |= self.keys.keys()

    @invariant()
    def a_key_is_good_as_long_as_all_it_hangs_on_and_never_more(self) -> None:
        for id_, token in self.tokens.items():
            found = self.book.key_of(token, self.now)
            assert (found is not None) == self.is_good(id_)
            if found is None or found.parent is None:
                continue
            parent = self.book.key_of(self.tokens[found.parent], self.now)
            assert parent is not None and parent.bounds.contains(found.bounds)
            assert found.charged == ((id_, found.bounds.per_minute), *parent.charged)
            assert found.made_by == parent.made_by


Trees.TestCase.settings = settings(max_examples=30, stateful_step_count=25)
TestTrees = Trees.TestCase
