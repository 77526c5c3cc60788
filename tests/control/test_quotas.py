"""Quotas: what one session takes from another, and from another link, is nothing."""

from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.quotas import LOOKING_ON, QUOTAS, TOLERATED, LinkPool, Request, SessionQuotas


def test_a_session_is_served_up_to_its_cap_and_then_as_fast_as_the_cap() -> None:
    quotas = SessionQuotas()
    cap = QUOTAS[Request.INTENT].cap
    served = sum(quotas.take(Request.INTENT, 0.0) for _ in range(1000))
    assert served == cap.burst
    assert [quotas.take(Request.INTENT, 1 / cap.per_second) for _ in range(2)] == [True, False]


def test_a_flood_leaves_the_others_of_its_link_their_shares_and_other_links_everything() -> None:
    pool = LinkPool()
    flooders, honest, elsewhere = [SessionQuotas(pool) for _ in range(20)], SessionQuotas(pool), SessionQuotas()
    for request in Request:
        for flooder in flooders:
            while flooder.take(request, 0.0):
                pass
        for quotas, rate in ((honest, QUOTAS[request].share), (elsewhere, QUOTAS[request].cap)):
            served = 0
            while quotas.take(request, 0.0):
                served += 1
            assert served >= min(rate.burst, QUOTAS[request].share.burst), request


def test_all_sessions_of_a_link_are_served_no_more_than_their_shares_and_the_pool() -> None:
    pool = LinkPool()
    sessions = [SessionQuotas(pool) for _ in range(10)]
    quota = QUOTAS[Request.OFFER]
    served = sum(session.take(Request.OFFER, 0.0) for _ in range(100) for session in sessions)
    assert served == 10 * quota.share.burst + quota.pool.burst


def test_who_is_refused_again_and_again_is_flooding_and_who_is_refused_now_and_then_is_not() -> None:
    quotas = SessionQuotas()
    for step in range(1000):  # a key that repeats ten times a second more than may be
        quotas.take(Request.INTENT, step / 50)
    assert not quotas.is_flooding
    for _ in range(round(QUOTAS[Request.INTENT].cap.burst + TOLERATED.burst) + 1):
        quotas.take(Request.INTENT, 100.0)
    assert quotas.is_flooding


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(list(Request)), st.floats(0, 0.5), st.integers(1, 50)), max_size=60
    )
)
def test_whatever_the_others_do_a_share_is_there(asked: list[tuple[int, Request, float, int]]) -> None:
    """A session that asks for one thing at a time, no faster than its share, is never refused."""
    pool = LinkPool()
    sessions, honest, now = [SessionQuotas(pool) for _ in range(3)], SessionQuotas(pool), 0.0
    for who, request, later, times in asked:
        now += later
        for _ in range(times):
            sessions[who].take(request, now)
        now += max(1 / QUOTAS[request].share.per_second, 1 / QUOTAS[request].cap.per_second)
        assert honest.take(request, now)


def test_a_page_that_acknowledges_pictures_as_fast_as_they_come_is_no_flood() -> None:
    """A packet for every two of a picture (RFC 9260 §6.2). Those over the quota are dropped, which costs little."""
    quotas = SessionQuotas(LinkPool(LOOKING_ON))
    for step in range(60_000):  # a minute of pictures at 4 MB/s
        quotas.take(Request.DATAGRAM, step / 1000)
        if step % 5 == 0:
            quotas.take(Request.DATAGRAM, step / 1000)
    assert not quotas.is_flooding


def test_a_flood_of_datagrams_is_one_within_seconds() -> None:
    quotas, sent = SessionQuotas(LinkPool(LOOKING_ON)), 0
    while not quotas.is_flooding:
        sent += 1
        quotas.take(Request.DATAGRAM, sent / 10_000)
    assert sent < 30_000
