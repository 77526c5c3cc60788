"""What the relay has counted, as metrics that prometheus-client writes.

The core counts in its own terms, so nothing is instrumented here: when Prometheus asks, families are made of what the
core has (a custom collector, in the library's words). Names are coturn's where the meaning is the same, so that a
dashboard survives a change of engine. Where coturn counts finished allocations only, we count living ones as well. No
address and no user is a label unless it is asked for: a metrics store keeps what it is told for long, and shows it to
many.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UntypedMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from slidewire.turn.credentials import user_of
from slidewire.turn.five_tuple import Transport
from slidewire.turn.server import TurnServer

__all__ = ["CONTENT_TYPE", "Metric", "counter", "exposition", "gauge", "parse", "relay_metrics", "total"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_DRAINING: Final = "turn_draining"

Samples = Mapping[str, float]
"""By the value of their one label."""


class _Collected:
    """What the library writes: anything that can be asked for its families."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def exposition(metrics: Iterable[Metric]) -> bytes:
    """In the text format, version 0.0.4."""
    return generate_latest(_Collected(metrics))


def parse(text: str) -> list[Metric]:
    """The other way round."""
    return list(text_string_to_metric_families(text))


def gauge(name: str, help_: str, value: float | Samples, label: str = "") -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label] if label else [])
    return _filled(family, value)


def counter(name: str, help_: str, value: float | Samples, label: str = "") -> Metric:
    """The library knows counters by their `_total`. Those that coturn named without are untyped, or their names would
    change."""
    kind = CounterMetricFamily if name.endswith("_total") else UntypedMetricFamily
    return _filled(kind(name, help_, labels=[label] if label else []), value)


def _filled(family: GaugeMetricFamily | CounterMetricFamily | UntypedMetricFamily, value: float | Samples) -> Metric:
    if isinstance(value, Mapping):
        for of, each in value.items():
            family.add_metric([of], each)
    else:
        family.add_metric([], value)
    return family


def total(servers: Iterable[Iterable[Metric]]) -> list[Metric]:
    """Those of several servers, as of one."""
    found: dict[str, Metric] = {}
    sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = defaultdict(dict)
    for metric in itertools.chain.from_iterable(servers):
        found.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
        mine = sums[metric.name]
        for sample in metric.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            so_far = mine.get(key, 0.0)
            mine[key] = max(so_far, sample.value) if metric.name == _DRAINING else so_far + sample.value
    for name, metric in found.items():
        for (sample_name, labels), value in sums[name].items():
            metric.add_sample(sample_name, dict(labels), value)
    return list(found.values())


def relay_metrics(server: TurnServer, *, users: bool = False) -> list[Metric]:
    """`users`: with a line for each user who has something now."""
    return [*_of_all(server), *(_by_user(server) if users else ())]


def _of_all(server: TurnServer) -> Iterable[Metric]:
    counters, traffic, allocations = server.counters, server.total, server.allocations
    by_transport = Counter(allocation.client.transport for allocation in allocations)

    def by(prefix: str) -> Samples:
        return {key.removeprefix(prefix): value for key, value in sorted(counters.items()) if key.startswith(prefix)}

    yield gauge(
        "turn_total_allocations", "Allocations that live, by the client's transport.",
        {transport.name: by_transport[transport] for transport in Transport}, "type",
    )  # fmt: skip
    yield counter("turn_allocations_made_total", "Allocations made.", counters["allocations made"])
    yield counter("turn_allocations_ended_total", "Allocations ended.", by("allocations ended: "), "reason")
    yield gauge("turn_channels", "Channels that are bound.", sum(len(each.channels) for each in allocations))
    for name, help_, whole, up in (
        ("turn_traffic_packets_total", "Packets relayed.", traffic.packets, traffic.packets_up),
        ("turn_traffic_bytes_total", "Bytes relayed, without headers.", traffic.bytes, traffic.bytes_up),
    ):
        yield counter(name, help_, {"client": up, "peer": whole - up}, "from")
    yield counter(
        "turn_packet_dropped", "Packets not relayed: no permission, no such channel, over a limit.",
        {
            "client": counters["client packets dropped"],
            "peer": counters["peer packets dropped"],
            "over the total limit": traffic.dropped,
        },
        "from",
    )  # fmt: skip
    yield counter("stun_binding_request", "Binding requests.", counters["bindings asked"])
    yield counter("stun_binding_response", "Binding requests answered.", counters["bindings answered"])
    yield counter("stun_binding_error", "Binding requests answered with an error.", counters["bindings refused"])
    yield counter(
        "turn_unauthenticated_401_requests", "Requests without a login, or with a wrong one.", counters["rejected 401"]
    )
    yield counter("turn_rejected_total", "Requests not let in, by code.", by("rejected "), "code")
    yield counter("turn_refused_total", "Requests of known users refused, by code.", by("refused "), "code")
    yield counter("turn_peers_refused_total", "Peers that a user may not reach.", by("peers refused: "), "reason")
    yield counter(
        "turn_ratelimit_withheld_total", "Answers withheld from strangers and guessers.", counters["answers withheld"]
    )
    yield counter("turn_garbage_total", "Neither STUN nor ChannelData.", counters["garbage"])
    yield counter("turn_ignored_total", "Messages that are never answered.", counters["ignored"])
    yield counter("turn_streams_refused_total", "Connections over a limit.", counters["streams refused"])
    yield counter("turn_streams_silent_total", "Connections that said nothing.", counters["streams closed for silence"])
    yield counter(
        "turn_streams_replaced_total", "Connections that made room for others.", counters["streams closed for others"]
    )
    yield counter(
        "turn_streams_flooding_total", "Connections that sent too much.", counters["streams closed for a flood"]
    )
    yield gauge(_DRAINING, "1 while no client gets anything new.", float(server.draining))


def _by_user(server: TurnServer) -> Iterable[Metric]:
    allocations: Counter[str] = Counter()
    packets: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for allocation in server.allocations:
        user = user_of(allocation.owner.username)
        allocations[user] += 1
        packets[user] += allocation.meter.packets
        size[user] += allocation.meter.bytes
    of_living = "by the allocations that live, by user"
    for name, help_, counted in (
        ("turn_user_allocations", "Allocations that live, by user.", allocations),
        ("turn_user_packets", f"Packets relayed {of_living}.", packets),
        ("turn_user_bytes", f"Bytes relayed {of_living}.", size),
    ):
        yield gauge(name, help_, dict(sorted(counted.items())), "user")
