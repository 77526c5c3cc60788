"""`slidewire link`: make, list, revoke and free the links of a running show as its operator, and send away who came."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from slidewire.cli.output import complain, log_to_stderr, print_qr, say, say_json
from slidewire.control.messages import FreeLink, MakeLink, RevokeLink, SendAway
from slidewire.control.state import LinkEntry, PlacesEntry

if TYPE_CHECKING:
    from slidewire.presenter.operator import Operator

FILE = click.Path(path_type=Path)
ROLES = {
    "click": "changes slides and points",
    "laser": "points only",
    "view": "watches only",
    "operator": "runs the show",
}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Slides(click.ParamType[tuple[int | None, int | None]]):
    """`10-20`, `10-`, `-20` or `12`, as (first, last)."""

    name = "FIRST-LAST"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int | None, int | None]:
        match = re.fullmatch(r"(\d*)(-?)(\d*)", value)
        if match is None or not (match[1] or match[3]):
            self.fail(f"{value!r} are no slides; give them like 10-20, 10- or 12", param, ctx)
        first, last = (int(text) if text else None for text in match.group(1, 3))
        if not match[2]:
            last = first
        if 0 in (first, last) or (first is not None and last is not None and first > last):
            self.fail(f"{value!r}: slides count from 1, and the first comes first", param, ctx)
        return first, last


class Duration(click.ParamType[int]):
    """`90m` or `1h30m`, as seconds."""

    name = "DURATION"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        parts = re.findall(r"(\d+)([smhd])", value)
        seconds = sum(int(number) * SECONDS[unit] for number, unit in parts)
        if "".join(number + unit for number, unit in parts) != value or seconds == 0:
            self.fail(f"{value!r} is no duration; give it like 90m, 1h30m or 2d", param, ctx)
        return seconds


class Moment(click.ParamType[datetime]):
    """`14:00` (the next time that it is so late), or `2026-03-05T14:00`: a moment by this computer's clock."""

    name = "TIME"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        now = datetime.now().astimezone()
        try:
            if re.fullmatch(r"\d{1,2}:\d{2}", value):
                hour, minute = map(int, value.split(":"))
                moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
                return moment if moment > now else moment + timedelta(days=1)
            return datetime.fromisoformat(value).astimezone()
        except ValueError:
            self.fail(f"{value!r} is no time; give it like 14:00 or 2026-03-05T14:00", param, ctx)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("-v", "--verbose", count=True, help="Say more on standard error."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output."),
        click.option("--state-dir", type=FILE, help="Where this user's hosts keep their rooms."),
        click.option("--ca", type=FILE, help="Trust this authority as well (PEM)."),
        click.option(
            "--operator",
            metavar="LINK",
            help="The operator link; better in SLIDEWIRE_OPERATOR_LINK.  [default: this user's newest show here]",
        ),
        click.option("--operator-file", type=FILE, help="Its first line is the operator link."),
    ):
        command = option(command)
    return command


@click.group()
def link() -> None:
    """Make, list, revoke and free a show's links."""


@link.command()
@click.option("--role", type=click.Choice(list(ROLES)), default="click", show_default=True, help="What it may do.")
@click.option("--label", default="", help="Whose it is; shown to operators.")
@click.option("--slides", type=Slides(), help="The slides it may show, such as 10-20.")
@click.option("--from", "opens", type=Moment(), help="It works from this time on, such as 14:00.")
@click.option("--until", type=Moment(), help="It works until then.")
@click.option("--for", "lasts", type=Duration(), help="How long it works, such as 90m.")
@click.option("--one-device", is_flag=True, help="Only the first device that opens it can use it.")
@click.option("--by-hand", is_flag=True, help="An operator lets each device in.")
@_common
def make(
    role: str,
    label: str,
    slides: tuple[int | None, int | None] | None,
    opens: datetime | None,
    until: datetime | None,
    lasts: int | None,
    one_device: bool,
    by_hand: bool,
    **common: Any,
) -> None:
    """Make a link, and show it with its QR code."""
    if until is not None and lasts is not None:
        raise click.UsageError("Give --until or --for, not both.")
    first, last = slides or (None, None)
    now = datetime.now().astimezone()
    # Sent as seconds from now: the host's clock may differ from this one.
    opens_in = None if opens is None else max(0.0, (opens - now).total_seconds())
    expires_in = None
    if lasts is not None:
        expires_in = (opens_in or 0.0) + lasts
    elif until is not None:
        expires_in = (until - now).total_seconds()
        if expires_in <= (opens_in or 0.0):
            raise click.BadParameter("it has to be later than --from, and than now", param_hint="--until")

    wanted = MakeLink(role, label, opens_in or None, expires_in, first, last, one_device, by_hand)

    async def work(operator: Operator) -> None:
        made = (await operator.command(wanted)).link
        room = await operator.room_with(lambda room: any(row.id == made for row in room.links))
        (row,) = [row for row in room.links if row.id == made]
        if common["as_json"]:
            say_json({"event": "link", **msgspec.to_builtins(row)})
            return
        print_qr(row.url)
        say(f"  {row.url}", f"  {describe(row)}")

    _as_operator(work, **common)


@link.command("list")
@_common
def list_(**common: Any) -> None:
    """List the show's links and their rules."""

    async def work(operator: Operator) -> None:
        for row in (await operator.room_with()).links:
            if common["as_json"]:
                say_json({"event": "link", **msgspec.to_builtins(row)})
            else:
                say(f"{row.id}  {row.label or '–'}: {describe(row)}", f"            {row.url}")

    _as_operator(work, **common)


@link.command()
@click.argument("which", metavar="LINK")
@_common
def revoke(which: str, **common: Any) -> None:
    """Revoke LINK: it stops working.

    Those who came by it are disconnected at once. LINK is its id, its label or its whole address.
    """
    _change(which, RevokeLink, "revoked", common)


@link.command()
@click.argument("which", metavar="LINK")
@_common
def free(which: str, **common: Any) -> None:
    """Free LINK for another device.

    It is for one device: for the next that opens it. LINK is its id, its label or its whole address.
    """
    _change(which, FreeLink, "freed", common)


@link.command()
@_common
def places(**common: Any) -> None:
    """List who holds the show's places at the server, by link.

    Where more than one is at one address, they have a number in common.
    """

    async def work(operator: Operator) -> None:
        room = await operator.room_with()
        labels = {row.id: row.label for row in room.links}
        for row in room.places:
            if common["as_json"]:
                say_json({"event": "places", "label": labels.get(row.link, ""), **msgspec.to_builtins(row)})
            else:
                print(f"{row.link}  {labels.get(row.link) or '–'}: {describe_places(row)}")

    _as_operator(work, **common)


@link.command("send-away")
@click.argument("which", metavar="LINK")
@click.option("--origin", type=int, help="Only who is at this address, a number that `slidewire link places` shows.")
@_common
def send_away(which: str, origin: int | None, **common: Any) -> None:
    """Send away who came by LINK.

    The link stays good: revoke it if they are not to come back. LINK is its id, its label or its whole address.
    """

    async def work(operator: Operator) -> None:
        row = find(which, (await operator.room_with()).links)
        count = (await operator.command(SendAway(row.id, origin))).count
        if common["as_json"]:
            say_json({"event": "sent_away", "id": row.id, "label": row.label, "count": count})
        else:
            print(f"{count} who came by {row.id} ({row.label or 'no label'}) were sent away.")

    _as_operator(work, **common)


def describe_places(row: PlacesEntry) -> str:
    """Who came by one link, in words."""
    parts = [f"{row.count} here since {datetime.fromtimestamp(row.since).astimezone():%H:%M}"]
    if row.count > row.proven:
        parts.append(f"{row.count - row.proven} not proven")
    if row.away:
        parts.append(f"{row.away} away")
    parts += [f"{each.count} at address {each.origin}" for each in row.origins]
    return " · ".join(parts)


def _change(which: str, command: type[RevokeLink | FreeLink], done: str, common: dict[str, Any]) -> None:
    async def work(operator: Operator) -> None:
        row = find(which, (await operator.room_with()).links)
        await operator.command(command(row.id))
        if common["as_json"]:
            say_json({"event": done, "id": row.id, "label": row.label})
        else:
            say(f"{row.id} ({row.label or 'no label'}) is {done}.")

    _as_operator(work, **common)


def find(which: str, rows: list[LinkEntry]) -> LinkEntry:
    """The link of that id, address or label. Raises `PresentError`."""
    from slidewire.presenter.terminal import PresentError

    found = [row for row in rows if which in (row.id, row.url)]
    found = found or [row for row in rows if row.label == which and not _is_over(row)]
    if len(found) != 1:
        what = "There is no such link" if not found else f"There are {len(found)} links of that label"
        raise PresentError("link_unknown", f"{what}. `slidewire link list` shows them with their ids.")
    return found[0]


def describe(row: LinkEntry) -> str:
    """A link's rules in words."""
    rules = [ROLES.get(row.role, row.role)]
    if row.first or row.last:
        rules.append(f"slides {row.first or 1}–{row.last or 'end'}")
    for field, word in (("not_before", "from"), ("expires", "until")):
        if moment := getattr(row, field):
            rules.append(f"{word} {datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M}")
    if row.one_device:
        rules.append("one device" + (", which has it" if row.in_use else ""))
    if row.by_hand:
        rules.append("let in by hand")
    if _is_over(row):
        rules.append("WITHDRAWN" if row.revoked else "EXPIRED")
    return " · ".join(rules)


def _is_over(row: LinkEntry) -> bool:
    return bool(row.revoked or row.expired)


def _as_operator(
    work: Callable[[Operator], Coroutine[Any, Any, None]],
    *,
    operator: str | None,
    operator_file: Path | None,
    ca: Path | None,
    state_dir: Path | None,
    verbose: int,
    as_json: bool,
) -> None:
    from slidewire.aio.loop import run
    from slidewire.cli.link_source import link_of
    from slidewire.control.links import LinkError, parse_link
    from slidewire.host.participants.links import RoomStore
    from slidewire.presenter.operator import Operator
    from slidewire.presenter.terminal import PresentError
    from slidewire.system.directories import state_directory
    from slidewire.system.trust import TrustError

    log_to_stderr(verbose)
    given = link_of(operator, operator_file, "SLIDEWIRE_OPERATOR_LINK")

    async def session() -> None:
        if given is not None:
            way_in = parse_link(given)
        elif (way := RoomStore((state_dir or state_directory()) / "rooms").way_in()) is not None:
            way_in = way
        else:
            text = "No show of yours is running on this computer. Start one, or give its operator link: --operator-file"
            raise PresentError("no_room", text)
        async with Operator(way_in, name="slidewire link", ca=ca) as connected:
            await work(connected)

    try:
        run(session())
    except (LinkError, PresentError, TrustError) as error:
        complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
