"""RFC 8489 §9.2 beyond what browsers use: SHA-256, the nonce cookie, anonymous usernames."""

from __future__ import annotations

from typing import Any

import pytest

from slidewire.stun import attributes as a
from slidewire.stun.message import Builder, Class, long_term_key, parse, userhash
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.authentication import ALGORITHMS, COOKIE, Identity
from tests.turn.world import PEER, REALM, Answer, Client, World

SHA256, MD5 = ALGORITHMS
Fields = list[tuple[a.Attribute[Any], Any]]


@pytest.fixture
def world() -> World:
    return World(sha256=True)


def ask(client: Client, fields: Fields, sign: str, key: bytes) -> Answer:
    builder = client.request(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17), *fields)
    answer = client.transact(getattr(builder, sign)(key).encode())
    assert answer is not None
    return answer


def login(client: Client) -> Fields:
    return [(a.USERNAME, client.username), (a.REALM, REALM), (a.NONCE, client.nonce)]


def sha256_key(client: Client) -> bytes:
    return long_term_key(client.username, REALM, client.password, "sha256")


class TestSha256:
    def test_is_not_offered_unless_asked_for(self) -> None:
        answer = World().client().challenge()
        assert answer[a.PASSWORD_ALGORITHMS] is None and not answer[a.NONCE].startswith(b"obMatJos2")

    def test_is_offered_with_the_cookie_that_guards_the_offer(self, world: World) -> None:
        answer = world.client().challenge()
        assert answer[a.PASSWORD_ALGORITHMS] == (SHA256, MD5)
        assert answer[a.NONCE].startswith(b"obMatJos2gAAA") and COOKIE == b"obMatJos2gAAA"

    def test_a_client_that_takes_it(self, world: World) -> None:
        client = world.client()
        client.challenge()
        key = sha256_key(client)
        fields = [*login(client), (a.PASSWORD_ALGORITHMS, ALGORITHMS), (a.PASSWORD_ALGORITHM, SHA256)]
        answer = ask(client, fields, "sign_sha256", key)
        assert answer.class_ is Class.SUCCESS
        assert answer.message.integrity_sha256_holds(key) and answer.message.integrity_at is None

    @pytest.mark.parametrize("sign", ["sign", "sign_sha256"])
    def test_answers_are_signed_by_what_was_negotiated_not_by_what_was_sent(self, world: World, sign: str) -> None:
        client = world.client(port=1)
        client.challenge()
        answer = ask(client, login(client), sign, client.key)
        assert answer.class_ is Class.SUCCESS
        assert answer.message.integrity_holds(client.key) and answer.message.integrity_sha256_at is None
        client = world.client(port=2)
        client.challenge()
        fields = [*login(client), (a.PASSWORD_ALGORITHMS, ALGORITHMS), (a.PASSWORD_ALGORITHM, MD5)]
        answer = ask(client, fields, sign, client.key)
        assert answer.class_ is Class.SUCCESS
        assert answer.message.integrity_sha256_holds(client.key) and answer.message.integrity_at is None

    def test_a_client_that_does_not_know_it(self, world: World) -> None:
        client = world.client()
        client.challenge()
        answer = ask(client, login(client), "sign", client.key)
        assert answer.class_ is Class.SUCCESS and answer.message.integrity_holds(client.key)

    @pytest.mark.parametrize(
        "extra",
        [
            [(a.PASSWORD_ALGORITHM, SHA256)],
            [(a.PASSWORD_ALGORITHMS, ALGORITHMS)],
            [(a.PASSWORD_ALGORITHMS, (MD5,)), (a.PASSWORD_ALGORITHM, MD5)],
            [(a.PASSWORD_ALGORITHMS, ALGORITHMS), (a.PASSWORD_ALGORITHM, a.Algorithm(7))],
        ],
        ids=["no list", "no choice", "list cut by somebody on the way", "a choice that was not offered"],
    )
    def test_bidding_down(self, world: World, extra: Fields) -> None:
        client = world.client()
        client.challenge()
        assert ask(client, [*login(client), *extra], "sign_sha256", sha256_key(client)).code == 400

    def test_a_stale_nonce_is_replaced_with_the_offer(self, world: World) -> None:
        client = world.client()
        client.challenge()
        world.wait(3601)
        client.use("ada")
        answer = ask(client, login(client), "sign", client.key)
        assert answer.code == 438 and answer[a.PASSWORD_ALGORITHMS] == ALGORITHMS


class TestUserhash:
    def fields(self, client: Client) -> Fields:
        return [(a.USERHASH, userhash(client.username, REALM)), (a.REALM, REALM), (a.NONCE, client.nonce)]

    def test_of_a_username_we_made(self, world: World) -> None:
        client = world.client()
        client.challenge()
        assert ask(client, self.fields(client), "sign", client.key).code == 401
        world.server.introduce(client.username)
        assert ask(client, self.fields(client), "sign", client.key).class_ is Class.SUCCESS

    def test_of_whose_allocation_this_is(self, world: World) -> None:
        client = world.allocated()
        builder = client.request(Method.REFRESH, *self.fields(client))
        answer = client.transact(builder.sign(client.key).encode())
        assert answer is not None and answer.class_ is Class.SUCCESS


def test_the_realm_has_to_be_ours() -> None:
    client = World().client()
    client.challenge()
    key = long_term_key(client.username, "elsewhere", client.password)
    for realm, with_key in (("elsewhere", key), ("elsewhere", client.key)):
        fields: Fields = [(a.USERNAME, client.username), (a.REALM, realm), (a.NONCE, client.nonce)]
        assert ask(client, fields, "sign", with_key).code == 401


def test_a_malformed_login_is_a_bad_request() -> None:
    client = World().client()
    client.challenge()
    not_text = a.opaque(0x0006, "USERNAME", "")
    fields: Fields = [(not_text, b"\xff\xfe"), (a.REALM, REALM), (a.NONCE, client.nonce)]
    assert ask(client, fields, "sign", client.key).code == 400


def test_signed_indications_are_as_good_as_others() -> None:
    """Indications cannot be challenged (§9.2); an integrity attribute in one says nothing and is ignored."""
    world = World()
    client = world.allocated()
    client.permit(PEER)
    send = Builder(Method.SEND, Class.INDICATION, bytes(12)).add(t.XOR_PEER_ADDRESS, PEER).add(t.DATA, b"x")
    client.send(send.sign(bytes(16)).encode())
    assert client.heard() == [] and world.sent_away() == [(b"x", PEER)]


@pytest.mark.parametrize("fingerprint", [False, True])
@pytest.mark.parametrize("sha256", [False, True])
def test_who_is_known_signs_answers_to_their_end(sha256: bool, fingerprint: bool) -> None:
    answer = Builder(Method.REFRESH, Class.ERROR, bytes(12)).add(a.ERROR_CODE, a.Error(437, ""))
    signed = parse(Identity("ada", bytes(16), sha256).sign(answer, fingerprint=fingerprint))
    assert signed is not None
    assert (signed.integrity_sha256_holds if sha256 else signed.integrity_holds)(bytes(16))
    assert signed.fingerprint_holds() is (True if fingerprint else None)
