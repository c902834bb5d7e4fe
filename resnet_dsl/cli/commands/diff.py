"""The command `diff`: what differs between two networks, in the words of the field."""

from __future__ import annotations

import json
from argparse import Namespace

from resnet_dsl.cli.programs import Outcome, parse_settings, show_findings
from resnet_dsl.diagnostics.errors import CompileError, UsageError


def diff(options: Namespace) -> int:
    """Show what differs; exit status 1 if something does, 2 if that cannot be said."""
    from resnet_dsl.compare.comparison_result import difference_facts
    from resnet_dsl.compare.sides import SideRequest, compare
    from resnet_dsl.zoo.asked import Asked

    if options.a == options.b == "-":
        raise UsageError("standard input is one spec: give the other by its name")
    asked = Asked(key=options.key, prefix=options.prefix, unfold=options.unfold)
    a = SideRequest(options.a, options.model_a, parse_settings(options.settings_a, "--set-a"), asked)
    b = SideRequest(options.b, options.model_b, parse_settings(options.settings_b, "--set-b"), asked)
    try:
        found = compare(a, b)
    except CompileError as error:
        # A status of 1 would say that they differ.
        show_findings(Outcome(diagnostics=list(error.diagnostics)), options)
        return 2
    as_json = options.format == "json"
    print(json.dumps(difference_facts(found), indent=2, ensure_ascii=False) if as_json else found)
    return 0 if found.same else 1
