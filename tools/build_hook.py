"""What a build makes first: the tables of the grammar, which are not committed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GrammarTables(BuildHookInterface[Any]):
    """Writes the tables beside the grammar, for a wheel and for an install in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before the files of a build are chosen."""
        command = [sys.executable, "-m", "resnet_dsl.syntax.make_tables"]
        subprocess.run(command, cwd=self.root, check=True)
