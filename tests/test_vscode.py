"""The extension of VS Code says what the rest of the repository says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from resnet_dsl.cli.options import COMMANDS
from resnet_dsl.shipped import SUFFIX
from resnet_dsl.syntax.words import OPENING
from resnet_dsl.version import __version__

ROOT = Path(__file__).parents[1]
EXTENSION = ROOT / "editors" / "vscode"


def _read(name: str) -> Any:
    return json.loads((EXTENSION / name).read_text(encoding="utf-8"))


PACKAGE = _read("package.json")
CONTRIBUTES = PACKAGE["contributes"]


def test_it_has_the_version_of_the_compiler() -> None:
    assert PACKAGE["version"] == __version__


def test_it_is_for_specs() -> None:
    (language,), (grammar,) = CONTRIBUTES["languages"], CONTRIBUTES["grammars"]
    assert language["extensions"] == [SUFFIX]
    assert language["id"] == grammar["language"]
    assert _read(grammar["path"])["scopeName"] == grammar["scopeName"]
    for path in (language["configuration"], grammar["path"]):
        assert f"!{path.removeprefix('./').partition('/')[0]}" in (EXTENSION / ".vscodeignore").read_text()


def test_its_brackets_and_comments_are_those_of_the_language() -> None:
    configuration = _read("language-configuration.json")
    assert dict(configuration["brackets"]) == OPENING
    assert configuration["comments"] == {"lineComment": "#"}
    assert re.fullmatch(configuration["wordPattern"], "3x224x224")
    assert re.fullmatch(configuration["wordPattern"], "base_width")


def test_its_settings_start_the_server() -> None:
    settings = CONTRIBUTES["configuration"]["properties"]
    command, arguments = (settings[f"resnetDsl.{name}"]["default"] for name in ("command", "arguments"))
    assert command == "resnet-dsl"
    assert arguments[0] in COMMANDS


def test_its_settings_are_described_and_read() -> None:
    docs = (ROOT / "docs" / "editor.md").read_text(encoding="utf-8")
    source = (EXTENSION / "src" / "extension.js").read_text(encoding="utf-8")
    for name in CONTRIBUTES["configuration"]["properties"]:
        assert f"| `{name}` |" in docs
        if not name.endswith(".trace.server"):  # the client reads this one
            assert f'get("{name.partition(".")[2]}")' in source
    for command in CONTRIBUTES["commands"]:
        assert f'registerCommand("{command["command"]}"' in source


@pytest.mark.parametrize("name", sorted(PACKAGE["devDependencies"]))
def test_what_it_is_built_with_is_pinned(name: str) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", PACKAGE["devDependencies"][name])
