"""What fuzzing finds: a text, what is wrong with it, and the shortest text of which that holds."""

from __future__ import annotations

import hashlib
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz.mutation import WORD

CORPUS = Path(__file__).resolve().parent / "corpus"
PACKAGE = "resnet_dsl"


@dataclass(frozen=True)
class Finding:
    """A text for which something does not hold; findings of one `key` are taken for one mistake."""

    text: str
    message: str
    key: str

    @staticmethod
    def of(text: str, error: BaseException) -> Finding:
        """Return what an exception says of a text: its kind, and the place of ours that raised it."""
        if isinstance(finding := getattr(error, "finding", None), Finding):
            return finding
        frames = [f for f in traceback.extract_tb(error.__traceback__) if PACKAGE in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else ""
        kind = getattr(error, "kind", type(error).__name__)
        words = f"{kind} {place}"
        if type(error).__name__ == "OverTime":  # it is raised wherever it happens to be
            words = kind
        elif not isinstance(error, AssertionError):
            words += " " + re.sub(r"\d+|`[^`]*`|'[^']*'|“[^”]*”", "", str(error))[:40]
        return Finding(text, f"{type(error).__name__}: {error}\n  at {place}", " ".join(words.split()))

    @property
    def name(self) -> str:
        """A name for its files, the same for every finding of its key."""
        words = re.sub(r"[^a-z0-9]+", "_", self.key.lower())[:40].strip("_")
        return f"found_{words}_{hashlib.sha256(self.key.encode()).hexdigest()[:6]}"


def save(folder: Path, finding: Finding, suffix: str = ".resnet") -> bool:
    """Write a finding as a text with its message beside it; returns whether it is the first of its key."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{finding.name}{suffix}"
    known = path.with_suffix(".txt")
    if known.exists() and len(path.read_text(encoding="utf-8")) <= len(finding.text):
        return False
    first = not known.exists()
    path.write_text(finding.text, encoding="utf-8")
    known.write_text(f"{finding.key}\n{finding.message}\n", encoding="utf-8")
    return first


Examine = Callable[[str], object]


def confirmed(text: str, examine: Examine) -> Finding | None:
    """Return what is wrong with a text, if anything is."""
    try:
        examine(text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return Finding.of(text, error)
    return None


def minimised(finding: Finding, examine: Examine, seconds: float = 20) -> Finding:
    """Return a finding of the same key with a text from which nothing can be left out."""
    end = time.monotonic() + seconds
    words = WORD.findall(finding.text)
    size = max(1, len(words) // 2)
    while size and time.monotonic() < end:
        start, changed = 0, False
        while start < len(words) and time.monotonic() < end:
            shorter = words[:start] + words[start + size :]
            found = confirmed("".join(shorter), examine)
            if found is not None and found.key == finding.key:
                words, finding, changed = shorter, found, True
            else:
                start += size
        size = size if changed and size == 1 else size // 2
    return finding
