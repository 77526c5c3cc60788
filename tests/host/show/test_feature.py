from __future__ import annotations

import asyncio

from msgspec.structs import replace

from slidewire.aio.clock import monotonic
from slidewire.control.intents import Role
from slidewire.control.state import RoomPart, State
from slidewire.host.participants.participant import Participant
from slidewire.host.show.feature import Feature
from tests.host import test_host
from tests.host.participants.test_links import come
from tests.host.test_host import Carrier, agent_of

carrier = test_host.carrier


class Watching(Feature):
    """A feature that does nothing but note what it is told, and says something in the state."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def joined(self, participant: Participant) -> None:
        self.told.append(f"{participant.introduction.name} joined")

    def followed(self, participant: Participant, old: Participant) -> None:
        self.told.append(f"{old.introduction.name} is here again")

    def muted(self, participant: Participant) -> None:
        self.told.append(f"{participant.introduction.name} is {'muted' if participant.muted else 'heard'}")

    def left(self, participant: Participant) -> None:
        self.told.append(f"{participant.introduction.name} left")

    def handle_timer(self, now: float) -> None:
        self.told.append("a second has passed")

    def describe(self, participant: Participant, state: State) -> State:
        return replace(state, deck=replace(state.deck, title="as the feature calls it"))

    def describe_room(self, room: RoomPart) -> RoomPart:
        return replace(room, rejected={"by the feature": 1})


async def test_a_feature_is_told_of_participants_and_of_time_and_adds_to_the_state(carrier: Carrier) -> None:
    agent, watching = agent_of(carrier), Watching()
    agent.features = (*agent.features, watching)
    boss = await come(carrier, agent.room.make_link(Role.OPERATOR), "m1")
    name = next(iter(agent.participants.values())).introduction.name
    await boss.until(lambda: bool(boss.states))
    assert boss.states[-1]["deck"]["title"] == "as the feature calls it"
    assert boss.states[-1]["room"]["rejected"] == {"by the feature": 1}
    participant = next(iter(agent.participants.values()))
    agent.mute(participant, True)
    agent._maintain(monotonic())
    agent.dismiss(participant, "removed", "Enough.")
    await asyncio.sleep(0)
    assert watching.told == [f"{name} joined", f"{name} is muted", "a second has passed", f"{name} left"]


async def test_no_two_features_receive_the_same_message_or_command(carrier: Carrier) -> None:
    features = agent_of(carrier).features
    received = [row.message for feature in features for row in feature.messages]
    commanded = [row.name for feature in features for row in feature.commands]
    assert len(set(received)) == len(received) > 3
    assert len(set(commanded)) == len(commanded) > 3
