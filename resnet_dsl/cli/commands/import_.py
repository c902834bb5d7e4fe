"""The command `import`: a file of weights or an ONNX model in, the spec that produces it out."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from resnet_dsl.backend.writing import Artefact, write_whole
from resnet_dsl.cli.output import check_targets
from resnet_dsl.cli.programs import STDOUT, parse_settings, say
from resnet_dsl.cli.progress_line import progress_shown
from resnet_dsl.decompile.facts import Hints
from resnet_dsl.decompile.input_file import read_input_file
from resnet_dsl.decompile.pipeline import NotExpressibleError, restore_within
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.printing.headline import headline
from resnet_dsl.zoo.asked import Asked


def import_(options: Namespace) -> int:
    """Write the spec that a file's network has; nothing unless it has exactly the file's tensors."""
    target = None if options.output in (None, STDOUT) else Path(options.output)
    if target is not None:
        check_targets([target], options.force)
    settings = parse_settings(options.settings)
    path = Path(options.file)
    given = Hints(options.stride_on or "", options.shortcut or "", options.input or "")
    try:
        asked = Asked(key=options.key, prefix=options.prefix, unfold=options.unfold)
        with progress_shown():
            restored = restore_within(read_input_file(path, asked), options.name, given, settings)
    except NotExpressibleError as error:
        print(f"error: {path}: cannot express: {error}", file=sys.stderr)
        return 1
    except UsageError as error:
        raise UsageError(f"{path}: {error}" if not str(error).startswith(str(path)) else str(error)) from None
    for note in restored.notes:
        print(f"note: {path}: {note}", file=sys.stderr)
    if target is None:
        print(restored.text, end="")
        return 0
    write_whole(Artefact(target, restored.text))
    say(options, f"wrote {printable(str(target))} ({headline(restored.program)})")
    return 0
