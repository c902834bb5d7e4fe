"""The gallery: every shipped network as a small picture on one page, which is made and not kept.

    python tools/gallery.py [FOLDER]    writes FOLDER/index.html and a picture for each network

`docs/images` holds a few of these pictures, for the pages that show them; a test holds them to the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

from resnet_dsl.api import load
from resnet_dsl.shipped import ShelfModel, folder_of, models

STYLE = """
:root { color-scheme: light dark; font: 14px Helvetica, Arial, sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
section { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid #8884; border-radius: 6px; padding: .6rem; }
img { width: 100%; height: 12rem; object-fit: contain; object-position: top left; }
figcaption { margin-top: .4rem; } small { opacity: .75; }
"""


def page(shown: list[ShelfModel]) -> Iterator[str]:
    """Yield the lines of the page: a section for each folder of the shelf."""
    yield '<!doctype html><html lang="en"><meta charset="utf-8"><title>Networks</title>'
    yield f"<style>{STYLE}</style>"
    yield f"<h1>{len(shown)} networks</h1>"
    for folder, members in groupby(shown, lambda model: folder_of(model.path)):
        yield f"<h2>{escape(folder)}</h2><section>"
        yield from map(figure, members)
        yield "</section>"
    yield "</html>"


def figure(model: ShelfModel) -> str:
    """Return a network as a small picture, which is a link to itself."""
    params = model.expected("params")
    count = "" if params is None else f"{params:,} parameters<br>"
    picture = f'<a href="{model.name}.svg"><img loading="lazy" src="{model.name}.svg" alt="{model.name}"></a>'
    words = f"<b>{model.name}</b><br><small>{count}{escape(model.description)}</small>"
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"


def main(folder: Path) -> None:
    """Write the pictures and the page."""
    shown = sorted((m for m in models().values() if m.is_whole), key=lambda model: folder_of(model.path))
    folder.mkdir(parents=True, exist_ok=True)
    for model in shown:
        (folder / f"{model.name}.svg").write_text(load(model.name).draw(), encoding="utf-8")
    (folder / "index.html").write_text("\n".join(page(shown)), encoding="utf-8")
    print(f"wrote {folder / 'index.html'} ({len(shown)} networks)")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("gallery"))
