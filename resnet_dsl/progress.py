"""How far a long task is: what does it tells, and who wants to show it listens; else nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from resnet_dsl.records import dataclass

Listener = Callable[["LongTask"], None]
_listeners: list[Listener] = []


@dataclass
class LongTask:
    """A task by what it does, such as `reading x.pth`, with how much of how many units is done."""

    what: str
    total: int
    unit: str
    done: int = 0

    def advance(self, count: int) -> None:
        """Note that more is done, and tell who listens."""
        self.done += count
        for listener in _listeners:
            listener(self)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener told of all that is done meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
