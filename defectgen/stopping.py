"""Signals that ask the process to end, Ctrl-C and SIGTERM: each is an exception, which can be made to wait."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self


class Terminated(KeyboardInterrupt):
    """SIGTERM, as Ctrl-C is a KeyboardInterrupt: libraries that clean up after the one do so after the other."""


REQUESTS: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Inside, SIGTERM raises Terminated wherever the main thread is."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Postponed:
    """Inside, the first request to end is only remembered, and raised on leaving; a second one is raised at once.

    asked: what came, None as long as nothing has.
    """

    def __init__(self) -> None:
        self.asked: KeyboardInterrupt | None = None

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in REQUESTS}
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.asked:
            raise self.asked from None

    def install(self) -> None:
        """Take the handlers over, again where a library has replaced them; what the process ignores stays ignored."""
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise self.asked
        self.asked = REQUESTS[number]()
        # Not print: the signal may have come in the middle of one.
        os.write(2, b"\nstopping after this step; once more stops at once\n")
