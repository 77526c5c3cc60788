"""Whatever participants make a host say, the server takes it, and receipts are the last to be left out."""

from slidewire.host.participants.signaling_budget import SendingShare, SignalingBudget
from slidewire.signaling.limits import Limits
from slidewire.signaling.quotas import ConnectionQuotas


def test_a_flood_of_answers_to_all_roles_stays_within_what_the_server_takes() -> None:
    budget, server = SignalingBudget(), ConnectionQuotas(Limits(), "host")
    server.becomes_host()
    shares = [SendingShare(f"link {number % 7}", number % 2 == 0) for number in range(192)]
    sent = 0
    for step in range(10_000):  # ten seconds in which everybody asks for an answer every millisecond
        now = step / 1000
        for share in shares[step % 7 :: 7]:
            if budget.take(share, 700, now):
                sent += 1
                assert server.take(1100, now, None) == 0, "base64 and the envelope are a third more"
    assert sent > 3000


def test_what_looks_on_leaves_room_for_receipts() -> None:
    budget = SignalingBudget()
    audience = [SendingShare(f"deck {number}", False) for number in range(100)]
    for _ in range(50):
        for share in audience:
            budget.take(share, 300, 0.0)
    speaker = SendingShare("speaker", True)
    assert not budget.has_room(audience[0], 0.0) and not budget.has_room(speaker, 0.0)
    assert not budget.take(SendingShare("one more", False), 300, 0.0)
    assert all(budget.take(speaker, 300, 0.0) for _ in range(160))


def test_one_session_takes_the_pool_of_its_link_and_no_more() -> None:
    budget = SignalingBudget()
    flooder, other, elsewhere = (SendingShare(link, False) for link in ("deck", "deck", "program"))
    assert sum(budget.take(flooder, 100, 0.0) for _ in range(5000)) < 500
    assert budget.take(other, 100, 0.0) and budget.take(elsewhere, 100, 0.0)


def test_who_has_room_is_never_refused_so_that_no_part_of_a_picture_is_dropped() -> None:
    """Forty pages that have no other path ask for pictures at once: they come more slowly, and whole."""
    budget = SignalingBudget()
    pages = [SendingShare("deck", False) for _ in range(40)]
    sent = 0
    for step in range(2000):
        now = step / 200
        for page in pages:
            if budget.has_room(page, now):
                assert budget.take(page, 8192, now)
                sent += 1
    assert sent > 1500
