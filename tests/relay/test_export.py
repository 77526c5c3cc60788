"""The configuration we write for others. What a real coturn makes of it: tests/interop/test_export.py."""

from __future__ import annotations

import ipaddress

import pytest

from slidewire.relay.export import Engine, Export, export
from slidewire.turn.policy import SPECIAL, networks

SECRETS = ("n" * 40, "o" * 40)
BASE = Export(realm="relay.example", secret_file="/var/lib/slidewire/turn-secret", relays=("198.51.100.7",))
OPEN = Export(
    realm="relay.example", secret_file="secret", secrets=SECRETS, open=True, tls_cert="/c.pem", tls_key="/k.pem"
)

ETURNAL_OPTIONS = {
    "secret", "listen", "relay_ipv4_addr", "relay_ipv6_addr", "relay_min_port", "relay_max_port", "tls_crt_file",
    "tls_key_file", "tls_dh_file", "tls_options", "tls_ciphers", "max_allocations", "max_permissions", "max_bps",
    "blacklist", "whitelist", "blacklist_clients", "whitelist_clients", "blacklist_peers", "whitelist_peers",
    "strict_expiry", "credentials", "realm", "software_name", "run_dir", "log_dir", "log_level", "log_rotate_size",
    "log_rotate_count", "modules",
}  # fmt: skip
"""What the validator of eturnal 1.12 knows; anything else keeps it from starting."""


def coturn(what: Export) -> list[tuple[str, str]]:
    lines = [line for line in export("coturn", what).splitlines() if line and not line.startswith("#")]
    return [(line.partition("=")[0], line.partition("=")[2]) for line in lines]


@pytest.mark.parametrize("engine", ["coturn", "eturnal"])
def test_no_secret_unless_asked_for(engine: Engine) -> None:
    assert BASE.secret_file in export(engine, BASE)
    written = export(engine, OPEN)
    assert written.index(SECRETS[0]) < written.index(SECRETS[1])


class TestCoturn:
    def test_every_special_network_is_denied_as_a_range(self) -> None:
        ranges = [value.partition("-") for key, value in coturn(OPEN) if key == "denied-peer-ip"]
        denied = [(ipaddress.ip_address(first), ipaddress.ip_address(last or first)) for first, _, last in ranges]
        for network in networks((*SPECIAL, "64:ff9b::/96")):
            first = network[1] if str(network[0]) == "::" else network[0]
            assert (first, network[-1]) in denied, network
        assert all(str(first) != "::" for first, _ in denied), "coturn would deny all of IPv4"
        assert all(last != ipaddress.ip_address("255.255.255.255") or int(first) >> 28 == 15 for first, last in denied)

    def test_a_closed_one_reaches_relays_alone(self) -> None:
        options = coturn(BASE)
        assert ("allowed-peer-ip", "198.51.100.7") in options
        assert ("denied-peer-ip", "0.0.0.0-255.255.255.255") in options
        assert ("denied-peer-ip", "0:0:0:0:0:0:0:1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") in options

    def test_quotas_and_what_is_left_out(self) -> None:
        options = dict(coturn(OPEN))
        assert (options["user-quota"], options["total-quota"], options["max-bps"]) == ("128", "10000", "12500000")
        assert {"no-dtls", "no-tcp-relay", "no-rfc5780", "no-software-attribute", "use-auth-secret"} <= options.keys()
        assert options["cert"] == "/c.pem" and "no-tls" not in options and "no-tls" in dict(coturn(BASE))


class TestEturnal:
    def read(self, what: Export) -> dict[str, list[str]]:
        """The options under `eturnal`, each with the lines under it. It is written by us, so this much YAML will do."""
        found: dict[str, list[str]] = {}
        name = ""
        lines = export("eturnal", what).splitlines()
        assert [line for line in lines if line and line[0] not in " #"] == ["eturnal:"]
        for line in lines[lines.index("eturnal:") + 1 :]:
            if line.lstrip().startswith("#"):
                continue
            if line.startswith("  ") and line[2] != " ":
                name, _, rest = line[2:].partition(":")
                assert name not in found
                found[name] = [rest.strip()] if rest.strip() else []
            else:
                found[name].append(line.strip())
        return found

    def test_every_option_is_one_it_has(self) -> None:
        for what in (BASE, OPEN, Export(realm='a"b\\', secret_file="x", open=True, metrics_port=8081)):
            assert self.read(what).keys() <= ETURNAL_OPTIONS

    def test_what_it_says(self) -> None:
        options = self.read(OPEN)
        assert options["secret"] == [f'- "{secret}"' for secret in SECRETS]
        assert options["max_allocations"] == ["128"] and options["max_permissions"] == ["64"]
        denied = [line.removeprefix('- "').split('"')[0] for line in options["blacklist_peers"]]
        assert set(denied) >= set(SPECIAL) and "0.0.0.0/0" not in denied
        assert [line for line in options["listen"] if line.startswith("transport")] == [
            "transport: udp", "transport: tcp", "transport: tls",
        ]  # fmt: skip
        closed = self.read(BASE)
        assert closed["whitelist_peers"] == ['- "198.51.100.7/32"'] and "secret" not in closed
        assert closed["blacklist_peers"][0].startswith('- "0.0.0.0/0"')
