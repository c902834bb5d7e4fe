"""The command `list`: the shipped specs by folder."""

from __future__ import annotations

import json
from argparse import Namespace


def list_(options: Namespace) -> int:
    """List the shipped specs by folder."""
    from resnet_dsl.printing.table import aligned
    from resnet_dsl.shipped import description, folder_of, shipped

    found = [
        {"name": name, "folder": folder_of(path), "description": description(path)}
        for name, path in shipped().items()
    ]
    found.sort(key=lambda entry: (entry["folder"], entry["name"]))
    if options.format == "json":
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    lines = aligned([(entry["name"], entry["description"]) for entry in found])
    folder = None
    for entry, line in zip(found, lines, strict=True):
        if entry["folder"] != folder:
            print(("" if folder is None else "\n") + (entry["folder"] or "specs"))
            folder = entry["folder"]
        print(f"  {line}")
    return 0
