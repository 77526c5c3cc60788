"""The certificate: one that was given, watched for changes, or one of our own making.

Our own: an authority made once and kept (mode 0600) in the state directory, which phones are asked to trust, and a
server certificate signed by it, made anew whenever the machine's names or addresses change or its end comes near.

The authority is tied down by name constraints: it may vouch for the private address ranges, for names that only mean
something on a local network, and for the names and addresses the machine had when it was made; nothing else. Whoever
steals the key can then not pose as a bank to a phone that trusts it. The price: a server that is given another public
name or address later needs a new authority, which we make and say so. What was merely found on the machine (temporary
IPv6 addresses, the name of a container) comes and goes; where the authority may not vouch for it, it is left out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import logging
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from slidewire.system.addresses import Names
from slidewire.system.directories import AUTHORITY_FILE
from slidewire.system.errors import SetupError
from slidewire.system.file_locks import locked

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 397
"""What browsers accept from public authorities; iOS counts days for private ones too."""
RENEW_DAYS: Final = 30

LOCAL_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
LOCAL_NAMES: Final = ("localhost", "local", "lan", "home.arpa", "internal", "test")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as phones show it."""
        return hashlib.sha256(self.der).digest().hex(":").upper()


class LocalCertificates:
    """The authority and the server certificate in one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.authority_path = state_dir / AUTHORITY_FILE
        self.certificate_path = state_dir / "server.pem"
        self.key_path = state_dir / "server.key"
        self._authority_key_path = state_dir / "authority.key"
        self._state_dir = state_dir
        self._authority: Authority | None = None

    @property
    def authority(self) -> Authority:
        assert self._authority is not None, "ensure() comes first"
        return self._authority

    def ensure(self, names: Names, now: dt.datetime) -> bool:
        """Have a certificate for these names. True if a new one was made."""
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One process at a time: two servers that start together must not each make an authority.
            with locked(self._state_dir / ".lock"):
                return self._ensure(names, now)
        except OSError as error:
            raise SetupError(
                f"The certificate cannot be kept in {self._state_dir} ({error.strerror}). Make that folder writable "
                "and see that its disk has room, or set XDG_DATA_HOME to another."
            ) from error

    def _ensure(self, names: Names, now: dt.datetime) -> bool:
        self._authority = self._find_authority(names, now) or self._make_authority(names, now)
        names = _permitted_names(self._authority.certificate, names)
        if self._is_current(names, now):
            return False
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign_server(self._authority, key, names, now)
        _write(self.key_path, _key_pem(key))
        _write(self.certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        return True

    def _find_authority(self, names: Names, now: dt.datetime) -> Authority | None:
        """The one that is kept, if it is still good."""
        authority = self._read_authority()
        if authority is None and self._authority is not None:
            log.warning("The local authority is missing in %s; the one in use is written there again.", self._state_dir)
            authority = self._keep(self._authority)  # devices trust this one, and so does our own host
        if authority is None:
            return None
        certificate = authority.certificate
        if certificate.not_valid_after_utc - now < dt.timedelta(days=RENEW_DAYS):
            log.warning("The local authority ends soon; a new one is made, and phones must be told to trust it.")
            return None
        if certificate.not_valid_before_utc > now:
            log.warning(
                "The local authority was made when this clock was ahead, and is not yet good; a new one is made, and "
                "phones must be told to trust it."
            )
            return None
        if not _permits(certificate, names):
            log.warning(
                "This machine has a public name or address that its local authority may not vouch for; a new one is "
                "made, and phones must be told to trust it."
            )
            return None
        return authority

    def _read_authority(self) -> Authority | None:
        try:
            certificate = x509.load_pem_x509_certificate(self.authority_path.read_bytes())
            key = serialization.load_pem_private_key(self._authority_key_path.read_bytes(), None)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            then = "a new one is made" if self._authority is None else "it is of no use"
            log.warning("The local authority in %s is damaged; %s.", self._state_dir, then)
            return None
        return Authority(certificate, key)

    def _make_authority(self, names: Names, now: dt.datetime) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Slidewire"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"Slidewire authority of {socket.gethostname()}"[:64]),
            ]
        )
        certificate = (
            _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(x509.NameConstraints(_permitted(names), None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return self._keep(Authority(certificate, key))

    def _keep(self, authority: Authority) -> Authority:
        _write(self._authority_key_path, _key_pem(authority.key))
        _write(self.authority_path, authority.pem)
        return authority

    def _is_current(self, names: Names, now: dt.datetime) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
            key = serialization.load_pem_private_key(self.key_path.read_bytes(), None)
            certificate.verify_directly_issued_by(self.authority.certificate)
            covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            # Missing, damaged, or another authority's: all mended by making a new one.
            return False
        return (
            key.public_key() == certificate.public_key()
            and set(covered.get_values_for_type(x509.DNSName)) == set(names.hosts)
            and set(covered.get_values_for_type(x509.IPAddress)) == set(names.addresses)
            and certificate.not_valid_before_utc <= now
            and certificate.not_valid_after_utc - now >= dt.timedelta(days=RENEW_DAYS)
        )


class WatchedContext:
    """A server's TLS context that takes up new certificate files while it is in use."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._stamp()
        self.context = _load(certificate, key)
        self.names = _dns_names(certificate)
        """That the certificate in use covers; a name may begin with `*.`."""

    def refresh(self) -> bool:
        """Look whether the files changed. True if new connections now get a new certificate."""
        stamp = self._stamp()
        if stamp == self._seen or None in stamp:
            return False
        self._seen = stamp
        try:
            _load(*self._files)  # a trial first: half-written files must not spoil the context in use
            self.context.load_cert_chain(*self._files, password=_no_password)
        except (SetupError, OSError) as error:
            log.warning("The new certificate is not used: %s", error)
            return False
        self.names = _dns_names(self._files[0])
        return True

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stat(path) for path in self._files)


def _dns_names(certificate: Path) -> tuple[str, ...]:
    """Of a file that was loaded just now."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        covered = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return ()
    return tuple(covered.get_values_for_type(x509.DNSName))


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise SetupError(f"{option} {path} cannot be read: {error.strerror}. Check its path and owner.") from None
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        reason = "the key does not belong to the certificate" if "MISMATCH" in str(error) else "not PEM"
        raise SetupError(
            f"{certificate} and {key} do not make a certificate ({reason}). Give the certificate's chain and its own "
            "key, both in PEM form."
        ) from None
    return context


def _no_password() -> str:
    raise SetupError("The TLS key is locked with a password. Give one without, readable by this program only.")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    """Valid since yesterday, for phones whose clock is behind."""
    since = now - dt.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + dt.timedelta(days=days))
    )


def _sign_server(
    authority: Authority, key: ec.EllipticCurvePrivateKey, names: Names, now: dt.datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Slidewire server")])
    alternatives = [x509.DNSName(host) for host in names.hosts] + [x509.IPAddress(ip) for ip in names.addresses]
    issuer_key = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(subject, authority.certificate.subject, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _permitted(names: Names) -> list[x509.GeneralName]:
    own_hosts = [host for host in names.hosts if not _is_local_name(host)]
    own_addresses = [ip for ip in names.addresses if not _is_local_address(ip)]
    networks = [*LOCAL_NETWORKS, *(ipaddress.ip_network(ip) for ip in own_addresses)]
    return [*(x509.DNSName(name) for name in (*LOCAL_NAMES, *own_hosts)), *(x509.IPAddress(net) for net in networks)]


def _permitted_names(authority: x509.Certificate, names: Names) -> Names:
    """As much of them as this authority may vouch for."""
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return Names((), (), frozenset())
    permitted = constraints.permitted_subtrees or []
    domains = [name.value for name in permitted if isinstance(name, x509.DNSName)]
    networks = [ipaddress.ip_network(str(name.value)) for name in permitted if isinstance(name, x509.IPAddress)]
    return Names(
        tuple(host for host in names.hosts if any(_within(host, domain) for domain in domains)),
        tuple(ip for ip in names.addresses if any(ip.version == net.version and ip in net for net in networks)),
        names.needed,
    )


def _permits(authority: x509.Certificate, names: Names) -> bool:
    """All that is needed of them."""
    permitted = _permitted_names(authority, names)
    left_out = {*names.hosts, *map(str, names.addresses)} - {*permitted.hosts, *map(str, permitted.addresses)}
    return not left_out & names.needed


def _within(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)


def _is_local_name(host: str) -> bool:
    return any(_within(host, domain) for domain in LOCAL_NAMES)


def _is_local_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address.version == net.version and address in net for net in LOCAL_NETWORKS)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
