"""Files are written whole or not at all, and never over what is not ours."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from resnet_dsl.cli.output import HEADER, Artefact, check_targets, make_folder, write_whole
from resnet_dsl.diagnostics.errors import UsageError


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_whole(Artefact(tmp_path / "a.py", "é\n"))
    write_whole(Artefact(tmp_path / "a.onnx", b"\x00\r\n"))
    assert (tmp_path / "a.py").read_bytes() == b"\xc3\xa9\n"
    assert (tmp_path / "a.onnx").read_bytes() == b"\x00\r\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "a.py"]


def test_a_new_file_has_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(Artefact(tmp_path / "a", "x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_an_existing_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o755)
    link.symlink_to(real)
    write_whole(Artefact(link, "new"))
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o755


def test_a_failure_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.py"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"a\.py: No space left"):
        write_whole(Artefact(path, "new"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_is_written_to_and_not_replaced() -> None:
    check_targets([Path("/dev/null")])
    write_whole(Artefact(Path("/dev/null"), "x"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_foreign_file_is_refused_and_force_overrides(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("print('mine')")
    with pytest.raises(UsageError, match="--force"):
        check_targets([path])
    check_targets([path], force=True)


@pytest.mark.parametrize("content", [f'"""{HEADER} 0.1.0."""'.encode(), b"\x08\x08\x12\nresnet-dsl\x00", b""])
def test_our_own_files_and_empty_ones_may_be_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    check_targets([path])


def test_the_marker_counts_near_the_start_only(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b" " * 5000 + b"resnet-dsl")
    with pytest.raises(UsageError):
        check_targets([path])


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, why in (
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "a.py", "does not exist"),
        (tmp_path / "file" / "a.py", "Not a directory"),
    ):
        with pytest.raises(UsageError, match=why) as caught:
            check_targets([path])
        assert str(path) in str(caught.value)
    with pytest.raises(UsageError, match="not a folder"):
        make_folder(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="permission denied"):
            check_targets([tmp_path / "a.py"])
    finally:
        tmp_path.chmod(0o700)


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="twice"):
        check_targets([tmp_path / "a", tmp_path / "." / "a"])
