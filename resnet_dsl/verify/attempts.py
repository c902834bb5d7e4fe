"""What backends are asked to do in a verification: one that fails is a row, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.records import dataclass, field

HEAD, TAIL = 100, 160  # frameworks write pages; what went wrong is mostly at the end


@dataclass(frozen=True)
class Failure:
    """A backend that could not do something, what it was doing, and why it could not."""

    backend: str
    doing: str
    reason: str


def silent(backend: str, doing: str) -> None:
    """Tell nobody what is begun."""


@dataclass
class Attempts:
    """What failed so far; `announce` hears what is begun, and of which backend, if it is of one."""

    announce: Callable[[str, str], None] = silent
    failures: list[Failure] = field(default_factory=list)

    @contextmanager
    def of(self, backend: str, doing: str) -> Iterator[None]:
        """Do something of a backend's; what it raises, a call to end the process too, is a failure of it."""
        self.announce(backend, doing)
        try:
            yield
        except (Exception, SystemExit) as error:
            self.failures.append(Failure(backend, doing, in_a_line(error)))
        finally:
            self.announce("", "referee")

    def failed(self, backend: str, doing: str) -> bool:
        """Whether a backend has failed in this."""
        return any((failure.backend, failure.doing) == (backend, doing) for failure in self.failures)


def in_a_line(error: BaseException) -> str:
    """Return an exception as one line that does no harm to a terminal."""
    text = " ".join(str(error).split())
    if not isinstance(error, UsageError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    clean = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return clean if len(clean) <= HEAD + TAIL else f"{clean[:HEAD]} … {clean[-TAIL:]}"
