"""Which addresses count as one customer, and which are on one subnet."""

import pytest

from slidewire.base.address_prefixes import customer_of, plain_address, subnet_of


def test_an_ipv4_address_counts_as_itself() -> None:
    for function in (customer_of, subnet_of):
        assert function("192.0.2.7") == function("::ffff:192.0.2.7") == "192.0.2.7"
        assert function("192.0.2.7") != function("192.0.2.8")


def test_a_customer_has_a_56_of_ipv6() -> None:
    assert customer_of("2001:db8:0:1::5") == customer_of("2001:db8:0:ff:ffff::9%eth0") == "2001:db8::/56"
    assert customer_of("2001:db8:0:100::5") == "2001:db8:0:100::/56"


def test_a_subnet_is_a_64_of_ipv6() -> None:
    assert subnet_of("2001:db8:0:1::5") == subnet_of("2001:db8:0:1:ffff::9%eth0") == "2001:db8:0:1::/64"
    assert subnet_of("2001:db8:0:2::5") == "2001:db8:0:2::/64"


@pytest.mark.parametrize("text", ["", "?", "unix", "not:an:address", "1::2::3"])
def test_what_is_no_address_counts_as_itself(text: str) -> None:
    assert customer_of(text) == subnet_of(text) == plain_address(text) == text
