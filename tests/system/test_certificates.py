"""Our own authority: what it covers, what it must not cover, and when it is made anew."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from slidewire.server.config import ServerSettings
from slidewire.server.public_url import names_of, public_url
from slidewire.system import certificates
from slidewire.system.addresses import Names, names_with
from slidewire.system.certificates import LocalCertificates
from slidewire.system.errors import SetupError
from tests.support.other_process import other_process

NOW = dt.datetime.now(dt.UTC)


def names(*texts: str, found: tuple[str, ...] = ()) -> Names:
    """`texts` are needed, `found` only found."""
    hosts, addresses = {"localhost"}, {ipaddress.ip_address("127.0.0.1")}
    for text in (*texts, *found):
        try:
            addresses.add(ipaddress.ip_address(text))
        except ValueError:
            hosts.add(text)
    return Names(tuple(sorted(hosts)), tuple(sorted(addresses, key=int)), frozenset(texts))


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def verify(certificate: Path, authority: Path, *, name: str = "", address: str = "") -> str:
    """What OpenSSL, which did not write it, says of it."""
    openssl = shutil.which("openssl")
    assert openssl is not None
    who = ["-verify_hostname", name] if name else ["-verify_ip", address]
    files = ["-CAfile", str(authority), str(certificate)]
    command = [openssl, "verify", "-x509_strict", "-purpose", "sslserver", *who, *files]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout + answer.stderr


def test_openssl_accepts_it_for_every_name_and_address(tmp_path: Path) -> None:
    local = LocalCertificates(tmp_path)
    assert local.ensure(names("192.168.1.7", "fd00::7", "laptop", "laptop.local"), NOW)
    for name in ("localhost", "laptop", "laptop.local"):
        assert verify(local.certificate_path, local.authority_path, name=name).endswith("OK\n")
    for address in ("127.0.0.1", "192.168.1.7", "fd00::7"):
        assert verify(local.certificate_path, local.authority_path, address=address).endswith("OK\n")
    assert "mismatch" in verify(local.certificate_path, local.authority_path, name="bank.example")


def test_the_authority_cannot_vouch_for_the_rest_of_the_world(tmp_path: Path) -> None:
    """Somebody who stole its key signs a certificate all the same: nobody believes it."""
    local = LocalCertificates(tmp_path)
    local.ensure(names("192.168.1.7"), NOW)
    forged = tmp_path / "forged.pem"
    for wrong in ("bank.example", "93.184.215.14", "2001:db8::1"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = certificates._sign_server(local.authority, key, names(wrong), NOW)
        forged.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        assert "permitted subtree violation" in verify(forged, local.authority_path, name="localhost")


def test_it_lasts_as_long_as_browsers_allow_and_no_longer(tmp_path: Path) -> None:
    local = LocalCertificates(tmp_path)
    local.ensure(names(), NOW)
    certificate = read(local.certificate_path)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == dt.timedelta(days=397)
    assert certificate.not_valid_before_utc < NOW, "for phones whose clock is behind"


def test_what_makes_a_new_certificate_and_what_does_not(tmp_path: Path) -> None:
    local = LocalCertificates(tmp_path)
    assert local.ensure(names("192.168.1.7"), NOW)
    authority = local.authority.fingerprint
    assert not local.ensure(names("192.168.1.7"), NOW)
    assert local.ensure(names("192.168.2.9"), NOW), "another Wi-Fi"
    assert not LocalCertificates(tmp_path).ensure(names("192.168.2.9"), NOW), "kept between runs"
    assert not local.ensure(names("192.168.2.9"), NOW + dt.timedelta(days=360))
    assert local.ensure(names("192.168.2.9"), NOW + dt.timedelta(days=370)), "near its end"
    local.key_path.write_text("spoiled")
    assert local.ensure(names("192.168.2.9"), NOW)
    assert local.authority.fingerprint == authority, "phones need not be told anything new"


def test_a_new_public_name_needs_a_new_authority(tmp_path: Path) -> None:
    local = LocalCertificates(tmp_path)
    local.ensure(names(), NOW)
    before = local.authority.fingerprint
    local.ensure(names("clicker.example"), NOW)
    assert local.authority.fingerprint != before
    assert verify(local.certificate_path, local.authority_path, name="clicker.example").endswith("OK\n")


def test_what_was_merely_found_never_costs_a_new_authority(tmp_path: Path) -> None:
    """Temporary IPv6 addresses and the names of containers change all the time; phones were told to trust us once."""
    local = LocalCertificates(tmp_path)
    local.ensure(names(found=("3f2a9c", "2001:db8::1")), NOW)
    before = local.authority.fingerprint
    assert verify(local.certificate_path, local.authority_path, name="3f2a9c").endswith("OK\n")
    assert local.ensure(names("192.168.1.7", found=("77ab01", "2001:db8::2")), NOW)
    assert local.authority.fingerprint == before
    assert verify(local.certificate_path, local.authority_path, address="192.168.1.7").endswith("OK\n")
    assert "mismatch" in verify(local.certificate_path, local.authority_path, name="77ab01")
    assert not local.ensure(names("192.168.1.7", found=("2001:db8::3",)), NOW), "nothing new that it may vouch for"


def test_a_damaged_authority_is_replaced_together_with_what_it_signed(tmp_path: Path) -> None:
    local = LocalCertificates(tmp_path)
    local.ensure(names(), NOW)
    (tmp_path / "authority.key").write_text("spoiled")
    local = LocalCertificates(tmp_path)
    assert local.ensure(names(), NOW)
    assert verify(local.certificate_path, local.authority_path, name="localhost").endswith("OK\n")


def test_what_was_made_while_the_clock_was_ahead_is_made_anew_when_it_is_right_again(tmp_path: Path) -> None:
    LocalCertificates(tmp_path).ensure(names(), NOW + dt.timedelta(days=800))
    ahead = read(tmp_path / "authority.pem")
    local = LocalCertificates(tmp_path)
    assert local.ensure(names(), NOW)
    assert read(local.authority_path) != ahead
    assert verify(local.certificate_path, local.authority_path, name="localhost").endswith("OK\n")


@pytest.mark.parametrize("lost", ["authority.pem", "authority.key", "the folder", "the key's content"])
def test_a_server_that_runs_keeps_its_authority_whatever_becomes_of_the_files(tmp_path: Path, lost: str) -> None:
    state = tmp_path / "state"
    local = LocalCertificates(state)
    local.ensure(names(), NOW)
    trusted = tmp_path / "on a phone.pem"
    shutil.copy(local.authority_path, trusted)
    if lost == "the folder":
        shutil.rmtree(state)
    elif lost == "the key's content":
        (state / "authority.key").write_text("spoiled")
    else:
        (state / lost).unlink()
    local.ensure(names(), NOW)
    assert verify(local.certificate_path, trusted, name="localhost").endswith("OK\n")
    assert LocalCertificates(state).ensure(names(), NOW) is False, "it is kept for the next start, too"
    assert read(local.authority_path) == read(trusted)


def settings(**fields: object) -> ServerSettings:
    return ServerSettings(**{"state_dir": Path("/nonexistent"), **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "port", "url"),
    [
        ({"listen": "127.0.0.1"}, 8443, "https://127.0.0.1:8443"),
        ({"listen": "127.0.0.1"}, 443, "https://127.0.0.1"),
        ({"listen": "::1"}, 8443, "https://[::1]:8443"),
        ({"listen": "192.168.1.7"}, 8443, "https://192.168.1.7:8443"),
        ({"listen": "127.0.0.1", "http": True}, 8080, "http://127.0.0.1:8080"),
        ({"url": "https://clicker.example/"}, 8443, "https://clicker.example"),
    ],
)
def test_the_url_on_the_code(fields: dict[str, object], port: int, url: str) -> None:
    assert public_url(settings(**fields), port) == url


def test_listening_everywhere_it_is_an_address_others_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [ipaddress.ip_address(text) for text in ("192.168.1.7", "203.0.113.5", "fd00::7")]
    for module in ("system.addresses", "server.public_url"):
        monkeypatch.setattr(f"slidewire.{module}.interface_addresses", lambda: found)
    assert public_url(settings(), 8443) == "https://192.168.1.7:8443"
    assert set(found) <= set(names_of(settings()).addresses)
    monkeypatch.setattr("slidewire.server.public_url.interface_addresses", list)
    assert public_url(settings(), 8443) == "https://localhost:8443"


@pytest.mark.parametrize("url", ["clicker.example", "ftp://x", "https://", "https://x/path", "https://x?secret=1"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(SetupError, match="--url"):
        public_url(settings(url=url), 8443)


def test_a_loopback_server_names_no_other_address() -> None:
    found = names_of(settings(listen="127.0.0.1"))
    assert all(address.is_loopback for address in found.addresses)


MAKE_AUTHORITY = """
import datetime as dt, sys
from pathlib import Path
from slidewire.system.addresses import names_with
from slidewire.system.certificates import LocalCertificates
from slidewire.system.file_locks import locked
folder = Path(sys.argv[1])
with locked(folder / ".lock"):
    print("locked", flush=True)
    sys.stdin.readline()
    LocalCertificates(folder)._ensure(names_with((), only_loopback=True), dt.datetime.now(dt.UTC))
"""


def test_two_processes_that_start_together_make_one_authority(tmp_path: Path) -> None:
    local, wanted = LocalCertificates(tmp_path), names_with((), only_loopback=True)
    with other_process(MAKE_AUTHORITY, tmp_path) as other:
        ensuring = threading.Thread(target=local.ensure, args=(wanted, dt.datetime.now(dt.UTC)))
        ensuring.start()
        ensuring.join(0.2)
        assert ensuring.is_alive() and not local.authority_path.exists()
        assert other.stdin is not None
        other.stdin.write("go on\n")
        other.stdin.flush()
        assert other.wait(30) == 0
        made = local.authority_path.read_bytes()
        ensuring.join(30)
    assert local.authority_path.read_bytes() == made == local.authority.pem
