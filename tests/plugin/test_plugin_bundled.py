"""Bundles that came with the wheel: taken where they fit, left where they do not."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from helpers.command_line import Rtmss
from rtmss.config import UserError
from rtmss.plugin import bundled as module
from rtmss.plugin import identity, windows
from rtmss.plugin.build import Bundles, copied
from rtmss.plugin.bundled import bundled, machine
from rtmss.plugin.sources import content_id, plugin_sources

ROOT = Path(__file__).parents[2]


@pytest.fixture
def wheel_(bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a wheel that has the bundles of these sources."""
    folder = tmp_path / "plugin_bundles"
    copied(bundles, folder / machine())
    monkeypatch.setattr(module, "wheel_folder", lambda: folder)
    return folder / machine()


def test_the_bundles_of_the_wheel_are_installed_where_there_is_no_compiler(
    wheel_: Path, rtmss: Rtmss, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(tmp_path / "setup"))
    monkeypatch.setenv("RTMSS_CACHE", str(tmp_path / "cache"))
    ready = []
    monkeypatch.setattr("rtmss.cli.plugin.choose_backend", lambda *wanted: ready.append(wanted[1]))
    assert "rtmss.clap" in rtmss("plugin install").out
    installed = (tmp_path / "home/.clap/rtmss.clap").read_bytes()
    assert installed == (wheel_ / "rtmss.clap").read_bytes()
    assert ready == ["auto"], "a DAW waits for an engine's start, and not for its network"
    (wheel_ / identity.NAME).write_text("of others\n", encoding="ascii")
    for command in ("plugin install", "plugin build"):
        ran = rtmss(command)
        assert ran.status == 1
        assert "cannot be built without g++" in ran.err


def test_bundles_of_other_sources_or_another_machine_are_left(
    wheel_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bundled() == Bundles.in_folder(wheel_)
    (wheel_ / identity.NAME).write_text("0123456789abcdef\n", encoding="ascii")
    assert bundled() is None
    (wheel_ / identity.NAME).write_text(content_id(), encoding="ascii")
    assert bundled() is not None
    monkeypatch.setattr(module, "machine", lambda: "linux_other")
    assert bundled() is None


def test_a_library_that_the_system_cannot_load_is_left(wheel_: Path) -> None:
    """As on a system whose C library is older."""
    for library in Bundles.in_folder(wheel_).libraries:
        whole = library.read_bytes()
        library.write_bytes(whole[: len(whole) // 2])
        assert bundled() is None
        library.write_bytes(whole)
    assert bundled() is not None


def test_the_licences_of_what_is_in_the_bundles_are_in_them(bundles: Bundles) -> None:
    places = [bundles.clap.parent, bundles.lv2, bundles.vst3 / "Contents/Resources"]
    for place in places:
        text = (place / "LICENSES.txt").read_text(encoding="utf-8")
        assert "Copyright (C) 2012-2021 Filipe Coelho" in text
        assert "Alexandre BIQUE" in text


def test_the_id_changes_with_the_version_that_hosts_show() -> None:
    sources = plugin_sources()
    assert identity.content_id(sources, "1.0.0") != identity.content_id(sources, "1.0.1")


def test_bundles_are_not_copied_over_something_else(bundles: Bundles, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="File exists"):
        copied(bundles, tmp_path)


def test_what_is_missing_for_windows_is_named(
    rtmss: Rtmss, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "check_tools", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    ran = rtmss("plugin build --windows", str(tmp_path / "new"))
    assert ran.status == 1
    assert "apt install g++-mingw-w64-x86-64-posix" in ran.err
    assert not (tmp_path / "new").exists()


@pytest.mark.long
def test_bundles_for_windows_are_libraries_that_hosts_can_enter(tmp_path: Path) -> None:
    try:
        windows.check_compilers()
    except UserError as error:
        pytest.skip(str(error))
    vst3, clap = windows.build_for_windows(tmp_path / "new")
    libraries = (vst3 / "Contents/x86_64-win/rtmss.vst3", clap)
    for library, entry in zip(libraries, (b"GetPluginFactory", b"clap_entry"), strict=True):
        content = library.read_bytes()
        assert content[:2] == b"MZ"
        assert entry + b"\0" in content
    with pytest.raises(UserError, match="is there already"):
        windows.build_for_windows(tmp_path / "new")


def _hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


def test_the_wheel_takes_no_bundles_of_other_sources(tmp_path: Path) -> None:
    hook = _hook()
    expected = identity.content_id(ROOT / "plugin", "9.9")
    (tmp_path / identity.NAME).write_text(expected, encoding="ascii")
    hook.check(tmp_path, ROOT, "9.9")
    for folder, version in ((tmp_path, "9.8"), (tmp_path / "none", "9.9")):
        with pytest.raises(RuntimeError, match="are not of these sources"):
            hook.check(folder, ROOT, version)
