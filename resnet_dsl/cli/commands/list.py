"""The command `list`: the models of the shelf by folder."""

from __future__ import annotations

import json
from argparse import Namespace


def list_(options: Namespace) -> int:
    """List every model of the shelf by folder, those of one file together; a file without any by its name."""
    from resnet_dsl.printing.table import aligned
    from resnet_dsl.shipped import description, files, folder_of, models, specs_folder

    rows = [(model.name, model.path, model.description) for model in models().values()]
    with_models = {path for _, path, _ in rows}
    rows += [(name, path, description(path)) for name, path in files().items() if path not in with_models]
    rows.sort(key=lambda row: (folder_of(row[1]), row[1].stem))
    if options.format == "json":
        root = specs_folder()
        found = [
            {
                "name": name,
                "folder": folder_of(path),
                "file": path.relative_to(root).as_posix(),
                "description": text,
            }
            for name, path, text in rows
        ]
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    lines = aligned([(name, text) for name, _, text in rows])
    folder = None
    for (_, path, _), line in zip(rows, lines, strict=True):
        if folder_of(path) != folder:
            print(("" if folder is None else "\n") + (folder_of(path) or "specs"))
            folder = folder_of(path)
        print(f"  {line}")
    return 0
