"""How far an epoch is: a bar by tqdm where it is installed, or a plain line at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self


class ProgressBar:
    """Images done of an epoch, with rate and time left; `show` adds what has come out so far."""

    def __init__(self, label: str, images: int, shown: bool, done: int = 0) -> None:
        self.label, self.images, self.shown, self.done = label, images, shown, done
        self.start, self.first = time.perf_counter(), done
        self.figures = ""
        self.bar = self._bar()

    def _bar(self) -> Any:
        if not self.shown or not sys.stderr.isatty():
            return None
        try:
            from tqdm import tqdm
        except ImportError:
            return None
        return tqdm(desc=self.label, total=self.images, initial=self.done, unit="img", leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.shown and kind is None:
            rate = (self.done - self.first) / max(time.perf_counter() - self.start, 1e-9)
            print(f"{self.label}: {self.figures}  {rate:,.0f} img/s", flush=True)

    def advance(self, images: int) -> None:
        """Count images that are done."""
        self.done += images
        if self.bar is not None:
            self.bar.update(images)

    def show(self, **figures: float) -> None:
        """Show the rate, loss and accuracy as they are."""
        self.figures = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        if self.bar is not None:
            self.bar.set_postfix_str(self.figures)
