"""The command `explain`: the page of a diagnostic's code."""

from __future__ import annotations

from argparse import Namespace

from resnet_dsl.diagnostics.errors import UsageError


def explain(options: Namespace) -> int:
    """Explain a code, or list them all."""
    from resnet_dsl.diagnostics.codes import PAGES, render_page

    if options.code is None:
        for page in PAGES.values():
            print(f"{page.code}  {page.title}")
        return 0
    code = options.code.upper()
    if code not in PAGES:
        raise UsageError(f"no code `{options.code}`; `resnet-dsl explain` lists all")
    print(render_page(PAGES[code]), end="")
    return 0
