"""The page of a diagnostic's code as a file, which an editor opens from the diagnostic."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from resnet_dsl.diagnostics.codes import PAGES, render_page


@functools.cache
def page_file(code: str) -> Path | None:
    """Return the file with the page that `explain` prints; None where there is none, or no place for it."""
    if code not in PAGES:
        return None
    try:
        cache = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(cache) if cache else Path.home() / ".cache") / "resnet-dsl" / "explain"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, text = folder / f"{code}.md", render_page(PAGES[code])
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    except (OSError, RuntimeError, UnicodeDecodeError):
        return None
    return path
