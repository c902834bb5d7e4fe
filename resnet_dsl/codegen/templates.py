"""Templates of generated files: Jinja2 places text, Python decides what it says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@functools.cache
def template(package: str, name: str = "model.py.jinja") -> Template:
    """Return a template of a backend's package, from its folder `templates/`."""
    # Rules import this module with the rest of what writes Python; only rendering needs Jinja2.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(name)
