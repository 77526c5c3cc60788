"""One running slide show: what its listeners saw, and the intents.

LibreOffice tells of every slide, every step and every darkening by itself. The listeners note it under `seen`, which is
never held during a call to LibreOffice, and the thread that performs an intent waits there for its effect. That a slide
is shown is known when its transition begins; the end of an animation is not waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .office import property_value

SEEN_SECONDS = 2.0
"""How long the effect of an intent is waited for. It usually takes a few milliseconds; where a slide has a transition
and no graphics card draws it, some hundred."""
POINTER = 12
"""Pixels from the position Impress is given to the middle of the dot it draws: it puts a corner there."""
ON_NEXT = 9
"""com.sun.star.animations.EventTrigger: the step waits for the next click."""
TITLE = "com.sun.star.presentation.TitleTextShape"
NOTES = "com.sun.star.presentation.NotesShape"


def outcome(status: str, before: int | None, after: int | None, reason: str = "none") -> dict[str, Any]:
    """The answer to `perform`, in the words of the control protocol."""
    return {"status": status, "before": before, "after": after, "reason": reason}


class Show:
    """Slides count from 0 here, as in UNO, and from 1 in answers. The numbers are those of the show, as in Impress's
    own presenter console: a hidden slide has none, and a custom show counts its own slides."""

    def __init__(self, controller: Any, told: Callable[[], None], moved: Callable[[], None], fresh: bool) -> None:
        """`told`: something is to be told. `moved`: another slide. Both are called on UNO's threads.
        `fresh`: the show has just begun, so that no step of its slide is played yet."""
        self.controller = controller
        self._told = told
        self._moved = moved
        self.count: int = controller.getSlideCount()
        self.over = False
        self.seen = threading.Condition()
        self.index = max(0, controller.getCurrentSlideIndex())
        self.position: int | None = 0 if fresh else None
        """How many clicks of the slide are played; None if we came in the middle of it."""
        self.blank: str | None = "black" if controller.isPaused() else None
        """Impress tells that it is blank, not in which colour: if it was not us, black is the usual one."""
        self._asked_blank: str | None = None
        self._ended = False
        """Nothing of this slide is left to play."""
        self._left = False
        """The slide was left forward, and no other has come yet."""
        self.end_screen = False
        """Impress shows its black "click to exit" page after the last slide."""
        self._effects = 0
        """Counts whatever counts as the effect of an intent."""
        self.details: dict[int, tuple[str | None, str | None, int]] = {}
        """Title, notes, number of clicks."""
        self._followed: dict[int, bool] = {}
        self._listener = _show_listener(self)
        controller.addEventListener(self._listener)
        controller.addSlideShowListener(self._listener)
        # It may have moved before we listened.
        self.index = max(0, controller.getCurrentSlideIndex())

    # --- noted by the listener

    def note_slide(self) -> None:
        index = self.controller.getCurrentSlideIndex()
        with self.seen:
            self.index, self.position = max(0, index), 0
            self._ended = self._left = self.end_screen = False
            self._effect()
        self._told()
        self._moved()

    def note_step(self) -> None:
        with self.seen:
            if self.position is not None:
                self.position += 1
            self._effect()
        self._told()

    def note_end(self) -> None:
        with self.seen:
            self._ended = True

    def note_leaving(self, reverse: bool) -> None:
        with self.seen:
            self._left = not reverse

    def note_pause(self, paused: bool) -> None:
        with self.seen:
            self.end_screen = paused and self._left
            self.blank = (self._asked_blank or "black") if paused else None
            self._asked_blank = None
            self._effect()
        self._told()

    def note_over(self) -> None:
        with self.seen:
            self.over = True
            self._effect()
        self._told()

    def _effect(self) -> None:
        self._effects += 1
        self.seen.notify_all()

    def wait_for(self, done: Callable[[], bool]) -> bool:
        with self.seen:
            return self.seen.wait_for(done, SEEN_SECONDS)

    # --- intents

    def perform(self, verb: str, slide: int) -> dict[str, Any]:
        with self.seen:
            before, mark, blank = self.index + 1, self._effects, self.blank
        if verb in ("black", "white"):
            return self._darken(verb, before)
        if verb == "next":
            reason = self._next(blank)
        elif verb == "previous":
            reason = self._previous(blank)
        elif verb in ("first", "last", "goto"):
            reason = self._go({"first": 1, "last": self.count}.get(verb, slide))
        else:
            reason = "unsupported"
        if reason:
            return outcome("refused", before, before, reason)
        seen = self.wait_for(lambda: self._effects != mark)
        return outcome("performed", before, self.here(), "none" if seen else "unseen")

    def here(self) -> int | None:
        with self.seen:
            return None if self.over else self.index + 1

    def _next(self, blank: str | None) -> str | None:
        """Impress would leave the last slide for its end screen, and then end the show: not with us."""
        if self.end_screen:
            return "at_end"
        if blank:
            # As Impress's own Right key: out of the dark first, the next press moves on. Nothing is skipped unseen.
            self.controller.resume()
        elif self._at_end():
            return "at_end"
        elif self._ended or self._steps_left():
            self.controller.gotoNextEffect()
        else:
            # Impress would swallow it: for some milliseconds after a slide's last step it takes no next one.
            self.controller.gotoNextSlide()
        return None

    def _previous(self, blank: str | None) -> str | None:
        if blank and not self.end_screen:
            self.controller.resume()
        elif self.end_screen:
            self.controller.gotoSlideIndex(self.index)
        elif self._at_start():
            return "at_start"
        else:
            self.controller.gotoPreviousEffect()
        return None

    def _go(self, slide: int) -> str | None:
        if not 1 <= slide <= self.count:
            return "range"
        self.controller.gotoSlideIndex(slide - 1)
        return None

    def _darken(self, colour: str, before: int) -> dict[str, Any]:
        """As the B and W keys: the same again takes it away, the other one changes the colour."""
        if self.end_screen:
            return outcome("refused", before, before, "at_end")  # dark already, and a way back would end the show
        resumed = self.blank
        if resumed:  # also for the other colour: Impress does not change it while it is blank
            self.controller.resume()
            seen = self.wait_for(lambda: self.blank is None)
        if resumed != colour:
            with self.seen:
                self._asked_blank = colour
            self.controller.blankScreen(0x000000 if colour == "black" else 0xFFFFFF)
            seen = self.wait_for(lambda: self.blank == colour)
        return outcome("performed", before, self.here(), "none" if seen else "unseen")

    def _at_end(self) -> bool:
        """Nothing is left to show."""
        index = self.index
        if index not in self._followed:
            # After the last one Impress says -1, or the count if hidden slides come after it.
            after = self.controller.getNextSlideIndex()
            self._followed[index] = 0 <= after < self.count or self.controller.isEndless()
        if self._followed[index]:
            return False
        # That a slide has ended is told some milliseconds after its last step: until then its steps are counted.
        return self._ended or not self._steps_left()

    def _steps_left(self) -> bool:
        return (self.position or 0) < self.learn(self.index)[2]

    def _at_start(self) -> bool:
        if self.index > 0:
            return False
        return self.position == 0 or self.learn(self.index)[2] == 0

    # --- slides

    def page(self, index: int) -> Any:
        return self.controller.getSlideByIndex(index)

    def learn(self, index: int) -> tuple[str | None, str | None, int]:
        """A slide's title, its notes and how many clicks it takes before the next slide."""
        if index not in self.details:
            page = self.page(index)
            self.details[index] = _text(page, TITLE), _text(page.NotesPage, NOTES), _clicks(page)
        return self.details[index]

    def forget(self) -> None:
        """The document was edited: what we learnt may be wrong."""
        self.details, self._followed = {}, {}

    def point(self, at: list[float] | None, screen: tuple[int, int]) -> bool:
        """`screen`: the size of the show's window."""
        show = self.controller.getSlideShow()
        if show is None:
            return False
        if at is not None:
            import uno  # type: ignore[import-not-found]

            place = uno.createUnoStruct(
                "com.sun.star.geometry.RealPoint2D", at[0] - POINTER / screen[0], at[1] - POINTER / screen[1]
            )
            show.setProperty(property_value("PointerPosition", place))
        show.setProperty(property_value("PointerVisible", at is not None))
        return True


def _text(page: Any, kind: str) -> str | None:
    for number in range(page.Count):
        shape = page.getByIndex(number)
        if shape.ShapeType == kind:
            text = str(shape.String).strip()
            return (" ".join(text.split()) if kind == TITLE else text) or None
    return None


def _clicks(page: Any) -> int:
    clicks = 0
    sequences = page.AnimationNode.createEnumeration()
    while sequences.hasMoreElements():
        steps = sequences.nextElement().createEnumeration()
        while steps.hasMoreElements():
            clicks += _waits_for_click(steps.nextElement())
    return clicks


def _waits_for_click(node: Any) -> bool:
    return getattr(node.Begin, "Trigger", None) == ON_NEXT


def _show_listener(show: Show) -> Any:
    """Its base exists only where `uno` does, hence the function. The names are the interface's own."""
    import unohelper  # type: ignore[import-not-found]
    from com.sun.star.presentation import XSlideShowListener  # type: ignore[import-not-found]

    class Listener(unohelper.Base, XSlideShowListener):  # type: ignore[misc]
        def slideTransitionStarted(self) -> None:  # noqa: N802
            show.note_slide()

        def beginEvent(self, node: Any) -> None:  # noqa: N802
            if _waits_for_click(node):
                show.note_step()

        def slideAnimationsEnded(self) -> None:  # noqa: N802
            show.note_end()

        def slideEnded(self, reverse: bool) -> None:  # noqa: N802
            show.note_leaving(reverse)

        def paused(self) -> None:
            show.note_pause(True)

        def resumed(self) -> None:
            show.note_pause(False)

        def disposing(self, source: Any) -> None:
            show.note_over()

        def slideTransitionEnded(self) -> None:  # noqa: N802
            pass

        def hyperLinkClicked(self, link: str) -> None:  # noqa: N802
            pass

        def endEvent(self, node: Any) -> None:  # noqa: N802
            pass

        def repeat(self, node: Any, count: int) -> None:
            pass

    return Listener()
