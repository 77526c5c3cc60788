"""Which servers a client of ours trusts in TLS."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from slidewire.system.directories import AUTHORITY_FILE, state_directory

log = logging.getLogger(__name__)


class TrustError(Exception):
    """A --ca file that cannot be used. The message is for a person."""


def client_context(ca: Path | None = None) -> ssl.SSLContext:
    """The system's authorities, the one of this user's own server, and `ca`."""
    context = ssl.create_default_context()
    own = state_directory() / AUTHORITY_FILE
    try:
        context.load_verify_locations(own)
    except FileNotFoundError:
        pass
    except OSError as error:  # ssl.SSLError is one
        log.warning("%s cannot be read and is not trusted: %s", own, error)
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except FileNotFoundError:
            raise TrustError(f"There is no file {ca}. Give --ca the authority's certificate in PEM form.") from None
        except OSError:
            raise TrustError(f"{ca} is not a certificate in PEM form. Download /ca.pem from the server.") from None
    return context
