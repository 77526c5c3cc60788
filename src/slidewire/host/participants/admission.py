"""Who comes in by a link, asked once its holder has proven itself: too early, on another device, or still to be let in.

That a link was revoked or has expired is asked at the door and with every intent; see `LinkRule.is_good`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from slidewire.host.participants.links import LinkRule

ADMITTED_KEPT = 64
"""Devices an operator let in by one link, that come in again by themselves. The oldest gives way."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a presenter is sent away: a stable code, and a sentence."""

    code: str
    reason: str


IN_USE = Refusal("link_in_use", "This link is in use on another device. Go on there, or ask the operator to free it.")


def enter(rule: LinkRule, device: str, wall: float) -> LinkRule | Refusal:
    """The rule as it is from now on. A link to watch is held by the first device that opens it, any other by the first
    that does something with it: what scans mail opens links, and does no more."""
    if rule.not_before is not None and wall < rule.not_before:
        opens = f"{datetime.fromtimestamp(rule.not_before, UTC).astimezone():%Y-%m-%d %H:%M (UTC%z)}"
        return Refusal("link_not_yet", f"This link opens at {opens} by the host's clock. Open it again then.")
    if not rule.one_device or (rule.device and rule.device == device):
        return rule
    if rule.device is not None:
        return IN_USE
    if not device:
        text = "This link is for one device, and yours does not say which it is. Open it in a current browser."
        return Refusal("link_in_use", text)
    return rule if rule.role.may_point else replace(rule, device=device)


def claim(rule: LinkRule, device: str) -> LinkRule | None:
    """The rule once this device did something with it; None if that changes nothing."""
    if not rule.one_device or rule.device is not None or not device:
        return None
    return replace(rule, device=device)


def is_let_in(rule: LinkRule, device: str) -> bool:
    """Whether the operator need not be asked: so that a page that is loaded again in the middle of a talk goes on."""
    return not rule.by_hand or (device != "" and device in rule.admitted)


def let_in(rule: LinkRule, device: str) -> LinkRule:
    if not device or device in rule.admitted:
        return rule
    return replace(rule, admitted=(*rule.admitted, device)[-ADMITTED_KEPT:])


def send_away(rule: LinkRule, device: str) -> LinkRule:
    """It has to be let in anew."""
    return replace(rule, admitted=tuple(known for known in rule.admitted if known != device))
