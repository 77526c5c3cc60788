"""How much is sent to addresses that may be forged."""

from slidewire.base.rates import Rate
from slidewire.turn.answer_limits import AnswerLimits
from slidewire.turn.five_tuple import FiveTuple, Transport
from slidewire.turn.limits import Limits

LIMITS = Limits(
    answers=Rate(1, 3), answers_known=Rate(1, 5), answers_each=Rate(1, 2), answers_total=Rate(1, 4), failures=Rate(1, 2)
)
SERVER = ("203.0.113.1", 3478)


def client(host: str, port: int, transport: Transport = Transport.UDP) -> FiveTuple:
    return FiveTuple(transport, (host, port), SERVER)


def made() -> AnswerLimits:
    return AnswerLimits(LIMITS, lambda size: bytes(range(size)))


def allowed(
    limits: AnswerLimits, clients: list[FiveTuple], *, has_allocation: bool = False, known: bool = False
) -> int:
    return sum(limits.allow(each, 0.0, has_allocation=has_allocation, is_known=known) for each in clients)


def test_a_flood_uses_up_the_rate_of_its_own_port() -> None:
    assert allowed(made(), [client("192.0.2.1", 5000)] * 100, known=True) == 2
    assert allowed(made(), [client("192.0.2.1", 5000)] * 100, has_allocation=True) == 2


def test_a_customer_has_a_rate_for_all_its_ports_and_a_larger_one_where_it_is_known() -> None:
    ports = [client("192.0.2.1", 5000 + number) for number in range(100)]
    assert allowed(made(), ports) == 3
    assert allowed(made(), ports, known=True) == 5
    assert allowed(made(), ports, has_allocation=True) == 100
    subnets = [client(f"2001:db8:0:{number:x}::1", 5000) for number in range(100)]
    assert allowed(made(), subnets) == 3, "one IPv6 customer"


def test_all_unknown_customers_share_a_rate() -> None:
    assert allowed(made(), [client(f"192.0.2.{number}", 5000) for number in range(100)]) == 4


def test_a_stream_has_proved_its_address() -> None:
    assert allowed(made(), [client("192.0.2.1", 5000, Transport.TCP)] * 100) == 100


def test_wrong_passwords_have_a_rate_of_their_own() -> None:
    limits = made()
    assert [limits.allow_failure(client("192.0.2.1", 5000 + number), 0.0) for number in range(4)] == [
        True,
        True,
        False,
        False,
    ]
