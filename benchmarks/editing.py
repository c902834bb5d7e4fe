"""Time what an editor waits for while a person types in a spec, and print the medians.

    python -m benchmarks.editing [--lines N] [--keys N]

The real server is started and spoken to. A spec of so many lines is opened, and a step is typed into one of
its blocks, a key every 80 ms. After each key the editor asks what may be typed, as editors do: that answer is
what typing waits for. Diagnostics are timed where a key leaves a pause, from the key to their arrival.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from lsprotocol import types
from pygls.lsp.client import LanguageClient

TYPED = " -> conv(width, 3x3, groups=4) -> bn -> silu"
EVERY = 0.08  # seconds between two keys
PAUSES = 8  # keys after which a person stops for a moment
MODEL = """\
model net(classes = 10) {
    input: 3x64x64
    stem: conv(64, 3x3) -> bn -> relu
    stages: [2, 2, 2, 2]
    block: [cell0, cell1, cell2, cell3]
    widths: [64, 128, 256, 512]
    head: gap -> flatten -> fc(classes)
}
"""


def spec(lines: int) -> str:
    """Return a spec of about so many lines: blocks, some of which a model is made of."""
    count = max((lines - MODEL.count("\n")) // 10, 4)
    return "\n".join([*map(_block, range(count)), MODEL])


def _block(number: int) -> str:
    return f"""\
# A residual block, number {number}.
block cell{number}(width, stride = 1, act = relu, norm = bn, groups = 1) {{
    inner = width // 2
    reduced = x -> conv(inner, 1x1) -> norm -> act
    main = reduced -> conv(inner, 3x3, stride=stride, groups=groups) -> norm -> act
                   -> conv(width, 1x1) -> norm
    short = x -> B(width, stride)
    return act(main + short)
}}
"""


@dataclass
class Times:
    """What was measured, in milliseconds."""

    completion: list[float] = field(default_factory=list)
    hover: list[float] = field(default_factory=list)
    diagnostics: list[float] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[str, list[float]]]:
        """Yield each kind of answer with its times."""
        yield "completion after a key", self.completion
        yield "hover", self.hover
        yield "diagnostics after a pause", self.diagnostics


class Editor(LanguageClient):
    """A client that remembers when diagnostics came."""

    def __init__(self) -> None:
        super().__init__("benchmark", "1")
        self.published = asyncio.Event()

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _(params: types.PublishDiagnosticsParams) -> None:
            self.published.set()


async def measured(text: str, keys: int) -> Times:
    """Type into a text, and return what was waited for."""
    editor, times = Editor(), Times()
    await editor.start_io(sys.executable, "-m", "resnet_dsl", "lsp")
    await editor.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    editor.initialized(types.InitializedParams())
    uri = Path(tempfile.gettempdir(), "benchmark.resnet").as_uri()
    editor.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "resnet", 0, text))
    )
    await asyncio.wait_for(editor.published.wait(), 30)
    at = text.index("-> norm\n", text.index("block cell2")) + len("-> norm")
    for key in range(1, keys + 1):
        typed = (TYPED * (keys // len(TYPED) + 1))[:key]
        await _key(editor, uri, text[:at] + typed + text[at:], at + key, times, pauses=key % PAUSES == 0)
    await editor.shutdown_async(None)
    editor.exit(None)
    return times


async def _key(editor: Editor, uri: str, text: str, at: int, times: Times, *, pauses: bool) -> None:
    """Type a key, ask as an editor does, and wait for the next."""
    line = text.count("\n", 0, at)
    place = types.TextDocumentIdentifier(uri), types.Position(line, at - text.rfind("\n", 0, at) - 1)
    editor.published.clear()
    start = time.perf_counter()
    change = types.TextDocumentContentChangeWholeDocument(text)
    document = types.VersionedTextDocumentIdentifier(at, uri)
    editor.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
    await editor.text_document_completion_async(types.CompletionParams(*place))
    times.completion.append((time.perf_counter() - start) * 1e3)
    if pauses:
        await asyncio.wait_for(editor.published.wait(), 30)
        times.diagnostics.append((time.perf_counter() - start) * 1e3)
        asked = time.perf_counter()
        await editor.text_document_hover_async(types.HoverParams(*place))
        times.hover.append((time.perf_counter() - asked) * 1e3)
    await asyncio.sleep(max(EVERY - (time.perf_counter() - start), 0))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--keys", type=int, default=2 * len(TYPED))
    options = parser.parse_args()
    text = spec(options.lines)
    times = asyncio.run(measured(text, options.keys))
    print(f"a spec of {text.count(chr(10))} lines, {options.keys} keys; milliseconds")
    print(f"{'':28}{'median':>8}{'95 %':>8}{'most':>8}")
    for what, found in times.rows():
        late = quantiles(found, n=20)[-1]
        print(f"{what:28}{median(found):8.1f}{late:8.1f}{max(found):8.1f}")


if __name__ == "__main__":
    main()
