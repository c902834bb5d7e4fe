"""The notebook: what a model shows, what `%%resnet` does, and the notebook of the documentation, run."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import resnet_dsl

pytest.importorskip("IPython")
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
TEXT = "model net { input: 3x32x32  stages: [1, 2]  block: basic  head: gap -> fc(10) }"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell of IPython in this process, which leaves nothing of itself behind."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    for name in ("displayhook", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setenv("NO_COLOR", "1")
    made = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    made.run_cell("%load_ext resnet_dsl")
    yield made
    made.restore_sys_module_state()
    InteractiveShell.clear_instance()


def ran(shell: InteractiveShell, text: str) -> tuple[Any, str, dict[str, str]]:
    """Run a cell: what became of it, the text that it printed, and its result by kind."""
    with capture_output() as seen:
        done = shell.run_cell(text, store_history=True)
    shown = {} if done.result is None else shell.display_formatter.format(done.result)[0]
    return done, seen.stdout + seen.stderr, shown


def test_a_model_shows_its_picture_and_the_table_of_its_parts() -> None:
    model = resnet_dsl.loads(TEXT)
    assert model._repr_svg_() == model.draw()
    page = ElementTree.fromstring(model._repr_html_())
    image = page.find("img")
    assert image is not None
    kind, _, data = image.attrib["src"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == model.draw()
    rows = [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]
    assert rows[0] == ["part", "blocks", "output", "parameters", "MACs", "receptive field"]
    assert [row[0] for row in rows[1:]] == ["stem", "layer1", "layer2", "head"]
    assert rows[-1][1:4] == ["", "10", "1,290"]
    caption = page.find("table/caption")
    assert caption is not None
    assert caption.text == f"net: {model.params:,} parameters, {model.macs / 1e6:.3f} MMACs"


def test_what_is_shown_is_escaped_and_has_no_colour_of_its_own() -> None:
    from resnet_dsl.printing.notebook_view import _row

    assert "&lt;b&gt; &amp;" in _row("td", ["<b> &", ""])
    html = resnet_dsl.loads(TEXT)._repr_html_()
    outside = re.sub(r'src="[^"]*"', "", html)
    assert "<style" not in outside
    assert set(re.findall(r"(?<![-\w])(?:color|background):([^;\"]+)", outside)) == {"inherit", "transparent"}


def test_a_cell_is_compiled_and_bound(shell: InteractiveShell) -> None:
    done, printed, shown = ran(shell, f"%%resnet\n{TEXT}")
    assert done.success, printed
    assert shell.user_ns["net"].params == resnet_dsl.loads(TEXT).params
    assert done.result is shell.user_ns["net"]
    assert {"text/plain", "text/html", "image/svg+xml"} <= set(shown)
    done, _, _ = ran(shell, f"%%resnet other\n{TEXT}")
    assert shell.user_ns["other"] is done.result


def test_an_error_stands_under_the_cell_with_its_place_and_hint(shell: InteractiveShell) -> None:
    done, printed, _ = ran(shell, "%%resnet\nmodel net {\n    stages: [1]\n    block: basik\n}")
    assert not done.success  # what is run as a whole stops here
    assert printed.rstrip() == (
        "error[E0201]: unknown name `basik`\n"
        "  --> <cell>:3:12\n"
        "   |\n"
        " 3 |     block: basik\n"
        "   |            ^^^^^\n"
        "   = help: did you mean `basic` or `bias`?"
    )
    assert "net" not in shell.user_ns


@pytest.mark.parametrize("name", ["my-net", "class", "two words"])
def test_a_name_that_no_variable_has_is_refused(name: str, shell: InteractiveShell) -> None:
    done, printed, _ = ran(shell, f"%%resnet {name}\n{TEXT}")
    assert not done.success
    assert printed.startswith(f"error: `{name}` is no name of a variable; write %%resnet, or %%resnet NAME")
    assert "Traceback" not in printed


def test_a_warning_stands_under_the_cell_and_the_model_is_bound(shell: InteractiveShell) -> None:
    done, printed, _ = ran(shell, f"%%resnet\nconst unused = 3\n{TEXT}")
    assert done.success
    assert "\nwarning[W0610]: constant `unused`" in printed
    assert "<cell>:1:7" in printed


def test_a_cell_uses_files_of_its_folder(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "mine.resnet").write_text("block mine(width) { return x -> conv(width, 3x3) }")
    done, printed, _ = ran(shell, '%%resnet\nuse "mine.resnet"\nmodel net { stages: [1]  block: mine }')
    assert done.success, printed


def test_the_notebook_of_the_documentation_runs_and_shows_pictures(shell: InteractiveShell) -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    pictures = 0
    for cell in cells:
        done, printed, shown = ran(shell, "".join(cell["source"]))
        wrong = "raises-exception" in cell["metadata"].get("tags", [])
        assert done.success != wrong, printed
        assert not wrong or "help: project the input: `x -> B(width, stride)`" in printed
        if "image/svg+xml" in shown:
            assert ElementTree.fromstring(shown["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"
            pictures += 1
    assert pictures == 3


def test_the_notebook_of_the_documentation_holds_no_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"])


def test_ipython_is_not_imported_by_the_library() -> None:
    code = "import sys, resnet_dsl, resnet_dsl.notebook; assert 'IPython' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
