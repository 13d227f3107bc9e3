"""The runner performs what the session asks for, in order. Both ends are in memory."""

from __future__ import annotations

import pytest

from gateway.inbox import LENGTH
from gateway.session.states import Bounds
from guardrails.errors import DetectionError, DetectionTimeout
from guardrails.vault import Restorable
from tests.gateway.ends import World, run, settled
from tests.kit import EMAIL, SSN, policy

MASKING = policy("output: {mask: new}\n")
HEARTBEAT = policy("output: {mask: new, heartbeat: 10ms}\n")


# Frames


@pytest.mark.parametrize("ahead", [False, True], ids=["dialled with the first frame", "dialled ahead"])
def test_a_turn_goes_up_masked_and_comes_back_restored(ahead: bool) -> None:
    async def script(world: World) -> None:
        world.client.create(f"mail {EMAIL}", model="gpt-5.1")
        sent = await world.provider.next()
        assert sent["model"] == "provider-gpt-5.1"
        assert EMAIL not in sent["input"]
        world.provider.begin()
        world.provider.say("output_text.delta", output_index=0, delta=f"{sent['input'][5:]}!")
        world.provider.end()
        assert (await world.client.next())["type"] == "response.created"
        assert (await world.client.next())["delta"] == f"{EMAIL}!"
        assert (await world.client.next())["type"] == "response.completed"
        assert await world.vault.recall("team-a", "resp_1") is not None
        world.client.leave()

    world = run(World, script, ahead=ahead)
    assert world.dials == ([] if ahead else ["gpt-5.1"])
    assert [row.decision for row in world.sink.rows] == ["masked", "forwarded"]
    assert world.client.closed == (1000, "")


def test_another_model_takes_the_place_of_the_one_dialled_ahead() -> None:
    async def script(world: World) -> None:
        ahead = world.provider
        world.client.create("x", model="gpt-5.1-mini")
        await settled()
        assert world.provider is not ahead
        assert (await world.provider.next())["model"] == "provider-gpt-5.1-mini"
        assert ahead.closed
        ahead.leave()
        world.provider.begin()
        assert (await world.client.next())["type"] == "response.created", "the old one's leaving is of no interest"
        world.client.leave()

    run(World, script, ahead=True)


def test_a_binary_message_is_refused_and_the_connection_lives_on() -> None:
    async def script(world: World) -> None:
        world.client.sends.put_nowait(b"")
        assert (await world.client.next())["error"]["code"] == "invalid_prompt"
        world.client.create()
        await world.provider.next()
        world.client.leave()

    run(World, script)


# Detection


def test_detection_elsewhere_does_not_hold_up_another_lane() -> None:
    async def script(world: World) -> None:
        world.detection.pooled = True
        world.client.create(f"slow {EMAIL}", stream_id="a")
        await settled()
        world.detection.pooled = False
        world.client.create("quick", stream_id="b")
        assert (await world.provider.next())["input"] == "quick"
        world.detection.answers.set()
        sent = await world.provider.next()
        assert sent["input"].startswith("slow <EMAIL_ADDRESS_")
        world.client.leave()

    world = run(World, script)
    assert all(row.detection >= 0 for row in world.sink.rows)


@pytest.mark.parametrize("pooled", [False, True], ids=["inline", "elsewhere"])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DetectionError(EMAIL), "The message could not be examined, so it was not sent."),
        (DetectionTimeout(EMAIL), "The message could not be examined in time, so it was not sent."),
    ],
)
def test_a_detection_that_fails_refuses_the_message_and_the_connection_lives_on(
    pooled: bool, error: DetectionError, message: str
) -> None:
    async def script(world: World) -> None:
        world.detection.pooled, world.detection.error = pooled, error
        world.detection.answers.set()
        world.client.create(f"mail {EMAIL}")
        refused = await world.client.next()
        assert (refused["status"], refused["error"]["message"]) == (400, message)
        world.detection.error = None
        world.client.create("again")
        await world.provider.next()
        world.client.leave()

    world = run(World, script)
    assert [row.decision for row in world.sink.rows][:2] == ["failed", "forwarded"]
    assert EMAIL not in "".join(world.client.raw)


def test_an_answer_is_examined_elsewhere_too() -> None:
    async def script(world: World) -> None:
        await world.begin("who?")
        world.detection.pooled = True
        part = {"type": "output_text", "text": f"It is {SSN}", "annotations": []}
        item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
        world.provider.say("output_item.done", output_index=0, item=item)
        await settled()
        assert world.client.got.empty()
        world.detection.answers.set()
        assert (await world.client.next())["type"] == "response.output_item.added"
        await settled()
        assert SSN not in "".join(world.client.raw)
        assert "<US_SSN_" in world.client.raw[-1]
        world.client.leave()

    run(lambda: World(MASKING), script)


# The provider


def test_a_provider_that_cannot_be_reached_is_dialled_again_with_the_next_frame() -> None:
    async def script(world: World) -> None:
        world.reachable = False
        world.client.create("a")
        assert (await world.client.next())["error"]["message"] == "The provider cannot be reached."
        world.reachable = True
        world.client.create("b")
        await settled()
        assert (await world.provider.next())["input"] == "b"
        world.client.leave()

    world = run(World, script)
    assert world.dials == ["gpt-5.1", "gpt-5.1"]


def test_a_provider_that_leaves_ends_what_is_under_way_and_is_dialled_again() -> None:
    async def script(world: World) -> None:
        await world.begin("a")
        old = world.provider
        old.leave()
        refused = await world.client.next()
        assert (refused["type"], refused["error"]["message"]) == ("error", "The provider closed the connection.")
        await settled()
        assert old.closed
        world.client.create("b")
        await settled()
        assert world.provider is not old
        assert (await world.provider.next())["input"] == "b"
        world.client.leave()

    world = run(World, script)
    decisions = [(row.direction, row.decision) for row in world.sink.rows]
    assert decisions == [("input", "forwarded"), ("output", "failed"), ("input", "forwarded"), ("output", "failed")]


def test_a_provider_that_is_lost_while_it_is_sent_to_refuses_that_message() -> None:
    async def script(world: World) -> None:
        world.client.create("a")
        await world.provider.next()
        world.provider.lost = True
        world.client.create("b", stream_id="lane-1")
        refused = await world.client.next()
        assert (refused["stream_id"], refused["status"]) == ("lane-1", 400)
        world.provider.leave()
        assert (await world.client.next())["error"]["message"] == "The provider closed the connection."
        world.client.create("c", stream_id="lane-1")
        await settled()
        assert (await world.provider.next())["input"] == "c"
        world.client.leave()

    world = run(World, script)
    assert sorted((row.turn, row.direction, row.outcome) for row in world.sink.rows) == [
        (1, "input", None),
        (1, "output", "lost"),
        (2, "input", None),
        (2, "output", "lost"),
        (3, "input", None),
        (3, "output", "left"),
    ]


def test_a_provider_that_leaves_as_soon_as_it_is_dialled_is_dialled_again() -> None:
    """Even when the inbox is full, so that its leaving and its coming are a race."""

    async def script(world: World) -> None:
        world.provider.leave()
        world.client.reads.clear()
        world.client.sends.put_nowait("not json")
        await settled()
        for _ in range(2 * LENGTH):
            world.client.create("x")
        await settled()
        world.client.reads.set()
        await settled()
        while not world.client.got.empty():
            world.client.got.get_nowait()
        world.client.create("after all that", stream_id="lane-1")
        await settled()
        sent = [world.provider.got.get_nowait() for _ in range(world.provider.got.qsize())]
        assert "after all that" in [frame["input"] for frame in sent]
        world.client.leave()

    run(World, script)


# Audit and vault


def test_without_the_audit_nothing_is_forwarded_until_it_is_back() -> None:
    async def script(world: World) -> None:
        world.sink.works = False
        world.client.create(f"mail {EMAIL}")
        assert (await world.client.next())["error"]["message"] == "The audit could not be written."
        assert world.provider.got.empty()
        world.sink.works = True
        world.client.create("again")
        assert (await world.provider.next())["input"] == "again"
        world.sink.works = False
        world.provider.begin()
        await world.client.next()
        world.provider.end()
        assert (await world.client.next())["type"] == "error"
        world.sink.works = True
        world.client.leave()

    run(World, script)


def test_a_vault_that_is_down_refuses_what_needs_it_only(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World) -> None:
        world.vault.works = False
        world.client.create("go on", previous_response_id="resp_0")
        refused = await world.client.next()
        assert "could not be looked up" in refused["error"]["message"]
        world.client.create(f"mail {EMAIL}")
        sent = await world.provider.next()
        world.provider.begin()
        await world.client.next()
        world.provider.say("output_text.delta", output_index=0, delta=f"{sent['input'][5:]}.")
        assert (await world.client.next())["delta"] == f"{EMAIL}.", "its own stream restores without the vault"
        world.client.leave()

    run(World, script)
    assert EMAIL not in caplog.text


def test_a_response_of_another_tenant_is_not_found() -> None:
    async def script(world: World) -> None:
        await world.vault.remember("team-b", "resp_0", Restorable({}))
        world.client.create("go on", previous_response_id="resp_0")
        assert (await world.client.next())["error"]["code"] == "previous_response_not_found"
        assert world.provider.got.empty()
        world.client.leave()

    run(World, script)


# Time


def test_a_response_that_takes_too_long_is_refused() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        assert "longer than" in (await world.client.next())["error"]["message"]
        world.client.leave()

    run(lambda: World(bounds=Bounds(response=0.01)), script)


def test_heartbeats_come_while_a_response_is_held_back() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.provider.begin()
        kinds = [(await world.client.next())["type"] for _ in range(3)]
        assert kinds == ["response.created", "response.in_progress", "response.in_progress"]
        world.provider.end()
        while (await world.client.next())["type"] != "response.completed":
            pass
        assert len(world.runner._timers) == 1, "only the idle watch is left"
        world.client.leave()

    run(lambda: World(HEARTBEAT), script)


def test_an_idle_connection_is_closed() -> None:
    world = run(lambda: World(idle=0.02), lambda _: settled())
    assert world.client.closed == (1001, "idle")
    assert [row.reason for row in world.sink.rows] == ["The connection was idle."]


def test_a_busy_connection_is_not_idle_before_its_response_is_over() -> None:
    def look_long_after(world: World) -> None:
        world.runner._active -= 1000.0
        world.runner._watch()

    async def script(world: World) -> None:
        await world.begin()
        await settled()
        look_long_after(world)
        assert not world.runner._timers[0].cancelled(), "it looks again"
        await settled()
        assert world.client.closed is None
        world.provider.end()
        await world.client.next()
        await settled()
        look_long_after(world)

    world = run(World, script)
    assert world.client.closed == (1001, "idle")
    assert [row.reason for row in world.sink.rows] == [None, None, "The connection was idle."]


@pytest.mark.parametrize(("at_once", "messages"), [(1, 2 * LENGTH), (8, 7)], ids=["many", "some that came together"])
def test_a_client_that_reads_nothing_for_as_long_is_left_and_its_response_recorded(at_once: int, messages: int) -> None:
    """Nothing else ends it: the loop waits to send, and looks at no timer."""

    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.provider.at_once = at_once
        world.client.reads.clear()
        world.provider.begin()
        for number in range(messages):
            world.provider.say("output_text.delta", output_index=0, delta=f"{number} ")
        await settled()
        assert world.runner._inbox.full == (at_once == 1)
        world.runner._watch()
        assert world.client.closed is None, "not before its time"
        world.runner._active -= 1000.0
        world.runner._watch()

    world = run(World, script)
    assert world.client.closed == (1001, "stalled")
    assert [(row.direction, row.reason) for row in world.sink.rows] == [("input", None), ("output", "The client left.")]
