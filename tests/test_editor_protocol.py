"""An editor and the real server, over the protocol."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.shipped import PACKAGE
from tests.support.editing import Editor

ROOT = Path(__file__).parents[1]
PATH = os.pathsep.join([str(ROOT), str(ROOT / "backends")])
CONFIG = ClientServerConfig(
    server_command=[sys.executable, "-m", "resnet_dsl", "lsp"], server_env={**os.environ, "PYTHONPATH": PATH}
)
NET = """\
# a net to edit
block mine(width, stride = 1) {
    main = x -> conv(width, 3x3, stride=stride) -> bn -> relu -> conv(width, 3x3) -> bn
    return relu(main + (x -> down: B(width, stride)))
}

model net(classes = 10) {
    input: 3x64x64
    stem: conv(64, 3x3) -> bn -> relu
    stages: [2, deep: 2 * mine]
    block: mine
    head: gap -> flatten -> fc(classes)
}
"""
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_lsp.fixture(config=CONFIG, scope="module")
async def session(
    lsp_client: LanguageClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    lsp_client.folder = tmp_path_factory.mktemp("specs")
    folder = types.WorkspaceFolder(lsp_client.folder.as_uri(), "specs")
    capabilities = client_capabilities("visual-studio-code")
    await lsp_client.initialize_session(types.InitializeParams(capabilities, workspace_folders=[folder]))
    yield
    await lsp_client.shutdown_session()


@pytest.fixture
def editor(session: LanguageClient) -> Editor:
    return Editor(session, session.folder)


# --- what is wrong -------------------------------------------------------------------------------


async def test_a_good_spec_has_nothing_underlined(editor: Editor) -> None:
    assert await editor.open("good.resnet", NET) == []


async def test_a_missing_arrow_is_underlined_where_it_is(editor: Editor) -> None:
    (found,) = await editor.open(
        "arrow.resnet", NET.replace("bn -> relu -> conv(width", "bn relu -> conv(width")
    )
    assert found.range.start.line == 2
    assert "`->` is missing" in found.message
    assert found.severity == types.DiagnosticSeverity.Error


async def test_a_misspelt_block_is_underlined_with_what_was_meant(editor: Editor) -> None:
    (found,) = await editor.open("block.resnet", NET.replace("block: mine", "block: mnie"))
    assert editor.marked("block.resnet", found.range) == "mnie"
    assert "did you mean `mine`" in found.message


async def test_a_mismatched_residual_shows_both_sides_and_its_page(editor: Editor) -> None:
    text = NET.replace("(x -> down: B(width, stride))", "x").replace("3x64x64", "3x32x32")
    found = (await editor.open("residual.resnet", text.replace("[2, deep: 2 * mine]", "[1]  width: 128")))[0]
    assert found.code == "E0301"
    related = [each.message for each in found.related_information or []]
    assert any(each.startswith("64x32x32") for each in related)
    assert any(each.startswith("128x32x32") for each in related)
    assert found.code_description is not None
    page = Path(found.code_description.href.removeprefix("file://"))
    assert page.read_text(encoding="utf-8").startswith("# E0301:")


async def test_places_count_utf16_units_behind_other_letters(editor: Editor) -> None:
    text = 'model net { preprocess: { interpolation: "𝒳é" }  block: basci  stages: [1] }'
    (found,) = await editor.open("letters.resnet", text)
    assert found.range.start.character == text.index("basci") + 1  # 𝒳 is two units
    assert editor.marked("letters.resnet", found.range) == "basci"


async def test_lines_may_end_as_on_windows(editor: Editor) -> None:
    (found,) = await editor.open(
        "crlf.resnet", NET.replace("block: mine", "block: mnie").replace("\n", "\r\n")
    )
    assert editor.marked("crlf.resnet", found.range) == "mnie"
    assert found.range.start == types.Position(10, 11)


async def test_a_text_that_is_mended_is_no_longer_underlined(editor: Editor) -> None:
    assert await editor.open("mended.resnet", NET.replace("bn -> relu", "bn relu"))
    assert await editor.change("mended.resnet", NET) == []


async def test_every_model_of_a_text_is_checked(editor: Editor) -> None:
    text = "model one { stages: [1]  block: basci }\nmodel two { stages: [1]  block: basic }\n"
    (found,) = await editor.open("several.resnet", text) or await editor.diagnostics("several.resnet")
    assert editor.marked("several.resnet", found.range) == "basci"


# --- files that use each other -------------------------------------------------------------------

BLOCKS = "block small(width) {\n    return x -> conv(width, 3x3) -> bn\n}\n"
USER = 'use "blocks.resnet"\n\nmodel user { stages: [1]  block: small  width: 64 }\n'


async def test_an_unsaved_text_counts_in_place_of_its_file(editor: Editor) -> None:
    editor.write("blocks.resnet", BLOCKS.replace("small", "other"))
    (found,) = await editor.open("user.resnet", USER)
    assert editor.marked("user.resnet", found.range) == "small"
    await editor.open("blocks.resnet", BLOCKS)
    assert await editor.diagnostics("user.resnet") == []
    editor.type("blocks.resnet", BLOCKS.replace("conv(width, 3x3)", "conv(width 3x3)"))
    (found,) = await editor.diagnostics("user.resnet")
    assert editor.marked("user.resnet", found.range) == 'use "blocks.resnet"'
    assert "blocks.resnet:2:" in found.message
    editor.type("blocks.resnet", BLOCKS)
    assert await editor.diagnostics("user.resnet") == []


async def test_a_file_that_is_no_utf8_is_told_where_it_is_used(editor: Editor) -> None:
    editor.write("latin.resnet", "# Größe\n".encode("latin-1"))
    (found,) = await editor.open("of_latin.resnet", USER.replace("blocks", "latin").replace("small", "basic"))
    assert "not UTF-8" in found.message
    assert editor.marked("of_latin.resnet", found.range) == 'use "latin.resnet"'


async def test_names_lead_to_other_files_and_into_the_library(editor: Editor) -> None:
    editor.write("far/parts.resnet", BLOCKS)
    await editor.open(
        "near.resnet",
        'use "far/parts.resnet"\nmodel near { stages: [1, 1]  block: [small, basic]  width: 64 }\n',
    )
    found = await _definition(editor, "near.resnet", "small")
    assert (found.uri, found.range.start) == (editor.uri("far/parts.resnet"), types.Position(0, 6))
    found = await _definition(editor, "near.resnet", "basic")
    library = PACKAGE / "library" / "blocks.resnet"
    assert found.uri == library.as_uri()
    line = library.read_text(encoding="utf-8").split("\n")[found.range.start.line]
    assert line.startswith("block basic(")
    assert "He et al. 2015, figure 2" in await editor.hover("near.resnet", "basic")


async def _definition(editor: Editor, name: str, words: str) -> types.Location:
    found = await editor.client.text_document_definition_async(
        types.DefinitionParams(*editor.place(name, words))
    )
    assert isinstance(found, types.Location)
    return found


async def test_a_name_is_found_and_changed_in_all_files(editor: Editor) -> None:
    editor.write("shared/cells.resnet", BLOCKS.replace("small", "cell"))
    editor.write("shared/one.resnet", USER.replace("blocks", "cells").replace("small", "cell"))
    await editor.open(
        "shared/two.resnet",
        USER.replace("blocks", "cells").replace("small", "cell").replace("width:", "widths:"),
    )
    params = types.ReferenceParams(types.ReferenceContext(True), *editor.place("shared/two.resnet", "cell  "))
    places = await editor.client.text_document_references_async(params)
    assert sorted(Path(place.uri).name for place in places or []) == [
        "cells.resnet",
        "one.resnet",
        "two.resnet",
    ]
    edit = await editor.client.text_document_rename_async(
        types.RenameParams(*editor.place("shared/two.resnet", "cell  "), new_name="unit")
    )
    assert edit is not None
    changed = editor.applied(edit)
    assert {name: text.count("unit") for name, text in changed.items()} == {
        "shared/cells.resnet": 1, "shared/one.resnet": 1, "shared/two.resnet": 1,
    }  # fmt: skip


async def test_a_parameter_is_changed_where_models_set_it(editor: Editor) -> None:
    block = "block cell(width) {\n    return x -> conv(width, 3x3)\n}\n"
    text = f"{block}model net {{ stages: [1, 1]  block: cell  widths: [64, 32] }}\n"
    await editor.open("parameter.resnet", text)
    edit = await editor.client.text_document_rename_async(
        types.RenameParams(*editor.place("parameter.resnet", "width)"), new_name="size")
    )
    assert edit is not None
    assert editor.applied(edit) == {"parameter.resnet": text.replace("width", "size")}


@pytest.mark.parametrize(
    ("words", "new", "reason"),
    [
        ("conv(", "other", "a name of the language"),
        ("B(width", "Other", "comes with resnet-dsl"),
        ("mine(", "model", "a reserved word"),
        ("mine(", "1x1", "not a name"),
        ("main =", "width", "E0208"),
        ("mine(", "bn", "E0208"),
    ],
)
async def test_a_name_stays_where_another_would_not_do(
    editor: Editor, words: str, new: str, reason: str
) -> None:
    await editor.open("refused.resnet", NET)
    with pytest.raises(JsonRpcException, match=reason):
        await editor.client.text_document_rename_async(
            types.RenameParams(*editor.place("refused.resnet", words), new_name=new)
        )


async def test_a_name_that_can_be_changed_is_marked(editor: Editor) -> None:
    await editor.open("prepare.resnet", NET)
    params = types.PrepareRenameParams(*editor.place("prepare.resnet", "block: mine", 8))
    found = await editor.client.text_document_prepare_rename_async(params)
    assert isinstance(found, types.Range)
    assert editor.marked("prepare.resnet", found) == "mine"


async def test_the_uses_of_a_name_are_highlighted(editor: Editor) -> None:
    await editor.open("uses.resnet", NET)
    params = types.DocumentHighlightParams(*editor.place("uses.resnet", "stride=stride", 8))
    found = await editor.client.text_document_document_highlight_async(params)
    assert [each.range.start.line for each in found or []] == [1, 2, 3]


async def test_a_text_that_is_closed_counts_as_its_file_does(editor: Editor) -> None:
    editor.write("closing.resnet", BLOCKS.replace("small", "other"))
    await editor.open("closing.resnet", BLOCKS)
    assert await editor.open("of_closing.resnet", USER.replace("blocks", "closing")) == []
    document = types.TextDocumentIdentifier(editor.uri("closing.resnet"))
    editor.client.text_document_did_close(types.DidCloseTextDocumentParams(document))
    (found,) = await editor.diagnostics("of_closing.resnet")
    assert editor.marked("of_closing.resnet", found.range) == "small"


# --- what a place is -----------------------------------------------------------------------------


async def test_a_step_shows_shapes_parameters_and_macs(editor: Editor) -> None:
    await editor.open("hover.resnet", NET)
    shown = await editor.hover("hover.resnet", "conv(width, 3x3, stride")
    assert "**64x64x64 → 64x64x64**" in shown
    assert "**64x64x64 → 128x32x32**" in shown
    assert "`x.channels x H x W` → `width x (H+1)//2 x (W+1)//2`" in shown
    assert f"{64 * 128 * 9:,} parameters, {64 * 128 * 9 * 32 * 32:,} MACs" in shown
    assert "Convolution, two-dimensional" in shown


async def test_stages_and_models_show_what_they_cost(editor: Editor) -> None:
    await editor.open("costs.resnet", NET)
    program = compile_source(Source("costs.resnet", NET))
    assert f"{program.cost.params:,} parameters" in await editor.hover("costs.resnet", "net(")
    assert "stage deep of net, 2 × mine" in await editor.hover("costs.resnet", "deep:")
    assert "stage layer1 of net, 2 × mine" in await editor.hover("costs.resnet", "[2", 1)


async def test_shapes_are_shown_where_a_residual_does_not_fit(editor: Editor) -> None:
    await editor.open("misfit.resnet", NET.replace("(x -> down: B(width, stride))", "x"))
    assert "→ 128x32x32" in await editor.hover("misfit.resnet", "conv(width, 3x3, stride")


async def test_a_block_shows_the_shapes_it_has_where_it_is_used(editor: Editor) -> None:
    await editor.open("cells.resnet", BLOCKS)
    await editor.open("of_cells.resnet", USER.replace("blocks", "cells"))
    assert "**64x56x56 → 64x56x56**" in await editor.hover("cells.resnet", "conv(")


async def test_a_name_is_explained_where_it_was_just_written(editor: Editor) -> None:
    await editor.open("fresh.resnet", NET)
    await editor.change("fresh.resnet", NET.replace("x -> conv(width", "x -> maxpool( -> conv(width"))
    assert "The largest value of each window" in await editor.hover("fresh.resnet", "maxpool")


async def test_what_was_known_is_shown_while_a_text_is_broken(editor: Editor) -> None:
    await editor.open("broken.resnet", NET)
    await editor.change("broken.resnet", NET.replace("[2, deep", "[2, [ deep"))
    assert "**64x64x64 → 128x32x32**" in await editor.hover("broken.resnet", "conv(width, 3x3, stride")
    assert "128 → 10" in await editor.hover("broken.resnet", "fc(")


async def test_what_may_be_typed_is_known_in_broken_text(editor: Editor) -> None:
    await editor.open("typing.resnet", NET)
    editor.type("typing.resnet", NET.replace("relu -> conv(width, 3x3) -> bn", "relu -> conv(width, "))
    found = await editor.completions("typing.resnet", "relu -> conv(width, ")
    assert found[:2] == ["channels", "kernel"]
    editor.type("typing.resnet", NET.replace("block: mine", "block: "))
    assert {"mine", "basic", "bottleneck"} <= set(await editor.completions("typing.resnet", "block: "))
    editor.type("typing.resnet", NET.replace("    head:", "    \n    head:"))
    found = await editor.completions("typing.resnet", "mine\n    ")
    assert {"outputs", "widths", "freeze"} <= set(found)
    assert "head" not in found


async def test_a_completion_says_what_it_stands_for(editor: Editor) -> None:
    await editor.open("resolve.resnet", NET)
    params = types.CompletionParams(*editor.place("resolve.resnet", "relu -> conv", 8))
    found = await editor.client.text_document_completion_async(params)
    assert isinstance(found, types.CompletionList)
    item = next(each for each in found.items if each.label == "maxpool")
    whole = await editor.client.completion_item_resolve_async(item)
    assert isinstance(whole.documentation, types.MarkupContent)
    assert "The largest value of each window" in whole.documentation.value


async def test_the_outline_has_declarations_and_what_is_in_them(editor: Editor) -> None:
    await editor.open("outline.resnet", NET)
    found = await editor.client.text_document_document_symbol_async(
        types.DocumentSymbolParams(types.TextDocumentIdentifier(editor.uri("outline.resnet")))
    )
    assert [(each.name, [child.name for child in each.children or []]) for each in found or []] == [
        ("mine", ["width", "stride", "main"]),
        ("net", ["classes", "input", "stem", "stages", "block", "head"]),
    ]


async def test_shapes_stand_behind_what_changes_them(editor: Editor) -> None:
    await editor.open("hints.resnet", NET)
    whole = types.Range(types.Position(0, 0), types.Position(99, 0))
    found = await editor.client.text_document_inlay_hint_async(
        types.InlayHintParams(types.TextDocumentIdentifier(editor.uri("hints.resnet")), whole)
    )
    shown = {(hint.position.line, hint.label) for hint in found or []}
    assert {(2, "128x32x32"), (8, "64x64x64"), (9, "128x32x32"), (11, "128x1x1"), (11, "10")} <= shown


async def test_an_answer_is_about_the_text_as_it_is_when_it_comes(editor: Editor) -> None:
    await editor.open("twice.resnet", NET)
    document = types.TextDocumentIdentifier(editor.uri("twice.resnet"))
    editor.type("twice.resnet", NET.replace("64x64", "32x32"))
    asked = editor.client.text_document_hover_async(types.HoverParams(*editor.place("twice.resnet", "fc(")))
    params = types.InlayHintParams(document, types.Range(types.Position(0, 0), types.Position(99, 0)))
    hints = editor.client.text_document_inlay_hint_async(params)
    editor.type("twice.resnet", NET.replace("64x64", "16x16"))
    # Who waited for the version before would wait in vain.
    shown = {(hint.position.line, hint.label) for hint in await asyncio.wait_for(hints, 4) or []}
    assert (8, "64x16x16") in shown
    assert await asyncio.wait_for(asked, 4) is not None


# --- changes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("bn -> relu -> conv(width", "bn relu -> conv(width"),
        ("block: mine", "block: mnie"),
        ("x -> conv(width", "x -> cnov(width"),
        ("stride=stride", "strid=stride"),
        ("head: gap", "haed: gap"),
    ],
)
async def test_a_fix_writes_what_was_meant(editor: Editor, right: str, wrong: str) -> None:
    text = NET.replace(right, wrong, 1)
    found = (await editor.open("fix.resnet", text))[0]
    actions = await _actions(editor, "fix.resnet", found)
    assert any(editor.applied(each.edit) == {"fix.resnet": NET} for each in actions if each.edit)


async def test_a_residual_is_mended_by_its_fix(editor: Editor) -> None:
    text = NET.replace("(x -> down: B(width, stride))", "x")
    found = (await editor.open("project.resnet", text))[0]
    (action, *_) = await _actions(editor, "project.resnet", found)
    assert action.title == "project the input: `x -> B(width, stride)`"
    assert action.edit is not None
    changed = editor.applied(action.edit)["project.resnet"]
    assert await editor.change("project.resnet", changed) == []


async def _actions(editor: Editor, name: str, found: types.Diagnostic) -> list[types.CodeAction]:
    document = types.TextDocumentIdentifier(editor.uri(name))
    context = types.CodeActionContext([found])
    actions = await editor.client.text_document_code_action_async(
        types.CodeActionParams(document, found.range, context)
    )
    return [each for each in actions or [] if isinstance(each, types.CodeAction)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_text_is_formatted_with_its_own_ends_of_lines(editor: Editor, end: str) -> None:
    text = NET.replace("stem: conv(64, 3x3)", "stem:conv( 64,3x3 )").replace("\n", end)
    await editor.open("format.resnet", text)
    edits = await editor.client.text_document_formatting_async(
        types.DocumentFormattingParams(
            types.TextDocumentIdentifier(editor.uri("format.resnet")), types.FormattingOptions(4, True)
        )
    )
    changed = editor.applied(types.WorkspaceEdit(changes={editor.uri("format.resnet"): list(edits or [])}))
    assert changed == {"format.resnet": NET.replace("\n", end)}
