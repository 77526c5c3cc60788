"""What was mended in the library's SCTP, by its own class."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc.rtcsctptransport import InitChunk, RTCSctpTransport, ShutdownAckChunk
from OpenSSL import SSL

from slidewire.rtc import aiortc_sctp  # noqa: F401  it mends the class


class EndedDtls:
    """As the library's is from its `stop` on."""

    state, _role = "connected", "client"

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tried = asyncio.Event()

    async def _send_data(self, data: bytes) -> None:
        self.tried.set()
        raise self.error


def association(dtls: EndedDtls) -> RTCSctpTransport:
    made = RTCSctpTransport(dtls)  # type: ignore[arg-type]
    made._remote_port = 5000
    return made


@pytest.mark.parametrize("error", [SSL.Error([("SSL routines", "", "protocol is shutdown")]), ConnectionError()])
@pytest.mark.parametrize("timer", ["t1", "t2"])
async def test_a_timer_that_outlives_dtls_fails_without_a_word(error: Exception, timer: str) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    dtls = EndedDtls(error)
    sctp = association(dtls)
    if timer == "t1":
        sctp._t1_start(InitChunk())
        sctp._t1_expired()
    else:
        sctp._t2_start(ShutdownAckChunk())
        sctp._t2_expired()
    (sending,) = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait({sending})
    del sending
    assert dtls.tried.is_set() and not failures
    sctp._t1_cancel()
    sctp._t2_cancel()


async def test_whoever_sends_hears_that_dtls_has_ended() -> None:
    sctp = association(EndedDtls(SSL.Error([])))
    with pytest.raises(ConnectionError):
        await sctp._send_chunk(InitChunk())
