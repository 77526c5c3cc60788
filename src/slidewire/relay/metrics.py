"""What the relay has counted, in the text format that Prometheus reads (version 0.0.4).

Names are coturn's where the meaning is the same, so that a dashboard survives a change of engine. Where coturn counts
finished allocations only, we count living ones as well. No address and no user is a label unless it is asked for: a
metrics store keeps what it is told for long, and shows it to many.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from slidewire.turn.credentials import user_of
from slidewire.turn.effects import Transport
from slidewire.turn.server import TurnServer

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_DRAINING: Final = "turn_draining"

Sample = tuple[Mapping[str, str], float]


class Metric(NamedTuple):
    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


def exposition(server: TurnServer, *, users: bool = False) -> str:
    return write(numbers(server, users=users))


def numbers(server: TurnServer, *, users: bool = False) -> list[Metric]:
    """`users`: with a line for each user who has something now."""
    return [*_metrics(server), *(_by_user(server) if users else ())]


def added(servers: Iterable[Iterable[Metric]]) -> list[Metric]:
    """Those of several servers, as of one."""
    found: dict[str, Metric] = {}
    sums: dict[str, dict[tuple[tuple[str, str], ...], float]] = defaultdict(dict)
    for metric in itertools.chain.from_iterable(servers):
        found.setdefault(metric.name, metric)
        mine = sums[metric.name]
        for labels, value in metric.samples:
            key = tuple(labels.items())
            mine[key] = max(mine.get(key, 0), value) if metric.name == _DRAINING else mine.get(key, 0) + value
    return [
        metric._replace(samples=[(dict(key), sums[name][key]) for key in sums[name]]) for name, metric in found.items()
    ]


def write(metrics: Iterable[Metric]) -> str:
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {_number(value)}" for labels, value in metric.samples]
    return "\n".join(lines) + "\n"


def _metrics(server: TurnServer) -> Iterable[Metric]:
    counters, total, allocations = server.counters, server.total, server.allocations
    by_transport = Counter(allocation.client.transport for allocation in allocations)

    def counter(name: str, help_: str, value: float) -> Metric:
        return Metric(name, "counter", help_, [({}, value)])

    def family(name: str, help_: str, prefix: str, label: str) -> Metric:
        found = [(key.removeprefix(prefix), value) for key, value in sorted(counters.items()) if key.startswith(prefix)]
        return Metric(name, "counter", help_, [({label: of}, value) for of, value in found])

    yield Metric(
        "turn_total_allocations", "gauge", "Allocations that live, by the client's transport.",
        [({"type": transport.name}, by_transport[transport]) for transport in Transport],
    )  # fmt: skip
    yield counter("turn_allocations_made_total", "Allocations made.", counters["allocations made"])
    yield family("turn_allocations_ended_total", "Allocations ended.", "allocations ended: ", "reason")
    yield Metric(
        "turn_channels", "gauge", "Channels that are bound.", [({}, sum(len(each.channels) for each in allocations))]
    )
    for name, help_, whole, up in (
        ("turn_traffic_packets_total", "Packets relayed.", total.packets, total.packets_up),
        ("turn_traffic_bytes_total", "Bytes relayed, without headers.", total.bytes, total.bytes_up),
    ):
        yield Metric(name, "counter", help_, [({"from": "client"}, up), ({"from": "peer"}, whole - up)])
    yield Metric(
        "turn_packet_dropped", "counter", "Packets not relayed: no permission, no such channel, over a limit.",
        [
            ({"from": "client"}, counters["client packets dropped"]),
            ({"from": "peer"}, counters["peer packets dropped"]),
            ({"from": "over the total limit"}, total.dropped),
        ],
    )  # fmt: skip
    yield counter("stun_binding_request", "Binding requests.", counters["bindings asked"])
    yield counter("stun_binding_response", "Binding requests answered.", counters["bindings answered"])
    yield counter("stun_binding_error", "Binding requests answered with an error.", counters["bindings refused"])
    yield counter(
        "turn_unauthenticated_401_requests", "Requests without a login, or with a wrong one.", counters["rejected 401"]
    )
    yield family("turn_rejected_total", "Requests not let in, by code.", "rejected ", "code")
    yield family("turn_refused_total", "Requests of known users refused, by code.", "refused ", "code")
    yield family("turn_peers_refused_total", "Peers that a user may not reach.", "peers refused: ", "reason")
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
        "turn_streams_flooding_total", "Connections that said too much.", counters["streams closed for a flood"]
    )
    yield Metric(_DRAINING, "gauge", "1 while nobody gets anything new.", [({}, float(server.draining))])


def _by_user(server: TurnServer) -> Iterable[Metric]:
    use: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for allocation in server.allocations:
        mine = use[user_of(allocation.owner.username)]
        mine[0] += 1
        mine[1] += allocation.meter.packets
        mine[2] += allocation.meter.bytes
    for at, name, help_ in (
        (0, "turn_user_allocations", "Allocations that live, by user."),
        (1, "turn_user_packets", "Packets relayed by the allocations that live, by user."),
        (2, "turn_user_bytes", "Bytes relayed by the allocations that live, by user."),
    ):
        yield Metric(name, "gauge", help_, [({"user": user}, mine[at]) for user, mine in sorted(use.items())])


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
