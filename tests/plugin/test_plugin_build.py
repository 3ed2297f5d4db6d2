"""What `rtmss plugin` says where something is missing, and what it writes and takes away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.command_line import Rtmss
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.plugin import sources
from rtmss.plugin.build import Bundles, build, built
from rtmss.plugin.install import install, uninstall
from rtmss.plugin.patches import patch
from rtmss.plugin.setup import engine_command, setup_text, write_setup
from rtmss.plugin.sources import check_tools, content_id, dpf_folder, plugin_sources

SHIPPED = [
    "preset input four-stems",
    "preset silence karaoke",
    "preset input no-drums",
    "preset input practice-bass",
    "preset input practice-guitar",
    "preset input practice-keys",
    "preset silence vocals-only",
]


def test_what_is_missing_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "g++" else f"/usr/bin/{name}")
    monkeypatch.setenv("RTMSS_DPF", str(tmp_path))
    with pytest.raises(UserError, match=r"without g\+\+, dpf-source: apt install g\+\+ dpf-source"):
        check_tools()


def test_dpf_of_another_version_is_refused(tmp_path: Path) -> None:
    if not dpf_folder().is_dir():
        pytest.skip("needs dpf-source")
    shutil.copytree(dpf_folder() / "distrho", tmp_path / "dpf/distrho")
    shutil.copy(dpf_folder() / "Makefile.base.mk", tmp_path / "dpf")
    patch(tmp_path / "dpf")
    with pytest.raises(UserError, match=r"not that of version 1\.6"):
        patch(tmp_path / "dpf")
    with pytest.raises(UserError, match=r"not that of version 1\.6"):
        patch(tmp_path)


def test_the_id_of_a_build_changes_with_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content_id()
    folder = tmp_path / "plugin"
    shutil.copytree(plugin_sources(), folder)
    monkeypatch.setattr(sources, "plugin_sources", lambda: folder)
    assert content_id() == before
    with (folder / "src/Timeline.hpp").open("a", encoding="utf-8") as file:
        file.write("// another\n")
    assert content_id() != before
    assert built(tmp_path) is None


def test_a_compiler_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        check_tools()
    except UserError as error:
        pytest.skip(str(error))
    folder = tmp_path / "plugin"
    shutil.copytree(plugin_sources(), folder)
    (folder / "Makefile").write_text("$(error this is no plug-in)\n", encoding="utf-8")
    monkeypatch.setattr("rtmss.plugin.build.plugin_sources", lambda: folder)
    monkeypatch.setattr(sources, "plugin_sources", lambda: folder)
    with pytest.raises(UserError, match=r"the build failed at make: .*this is no plug-in"):
        build(tmp_path / "builds")
    assert list((tmp_path / "builds").iterdir()) == []


def _made_up_bundles(folder: Path) -> Bundles:
    bundles = Bundles.in_folder(folder)
    for library in (bundles.vst3 / "Contents/x86_64-linux/rtmss.so", bundles.lv2 / "rtmss_dsp.so"):
        library.parent.mkdir(parents=True)
        library.write_bytes(b"library")
    bundles.clap.write_bytes(b"clap")
    return bundles


def test_bundles_go_where_hosts_look_and_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(tmp_path / "config/plugin"))
    bundles, home = _made_up_bundles(tmp_path / "built"), tmp_path / "home"
    (home / ".vst3/rtmss.vst3/old").mkdir(parents=True)
    (home / ".vst3/other.vst3").mkdir()
    write_setup(tmp_path / "config/plugin", ["engine"], Library([]))
    for _ in range(2):
        written = install(bundles, home)
    assert written == [
        home / ".vst3/rtmss.vst3",
        home / ".clap/rtmss.clap",
        home / ".lv2/rtmss.lv2",
    ]
    assert not (home / ".vst3/rtmss.vst3/old").exists()
    library = home / ".vst3/rtmss.vst3/Contents/x86_64-linux/rtmss.so"
    assert library.read_bytes() == b"library"
    assert library.stat().st_mtime_ns % 1_000_000_000 == 0, "Ardour compares whole seconds"
    assert uninstall(home) == [*written, tmp_path / "config/plugin"]
    assert uninstall(home) == []
    assert [path.name for path in home.glob(".*/*")] == ["other.vst3"]


def test_the_setup_file_has_how_an_engine_starts_and_every_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "stems: {a: {condition: a}}\nfallback: hold\n"
    for name in ("mine", "with,comma", "x" * 72, "broken"):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("stems: 3\n", encoding="utf-8")
    lines = setup_text(["python", "-m", "rtmss serve"], Library([tmp_path])).splitlines()
    assert lines[:3] == ["engine python", "engine -m", "engine rtmss serve"]
    assert lines[3:] == [*SHIPPED, "preset silence broken", "preset input mine"]
    monkeypatch.setenv("PYTHONPATH", "/here")
    assert engine_command()[:2] == ["/usr/bin/env", "PYTHONPATH=/here"]
    monkeypatch.delenv("PYTHONPATH")
    assert engine_command()[1:] == ["-m", "rtmss", "serve", "--detach"]


def test_nobody_else_may_write_the_setup_file(tmp_path: Path) -> None:
    path = tmp_path / "rtmss/plugin"
    write_setup(path, ["engine"], Library([]))
    assert path.stat().st_mode & 0o777 == 0o600


def test_presets_that_come_without_a_setup_are_those_that_are_shipped() -> None:
    text = (plugin_sources() / "src/Places.hpp").read_text(encoding="utf-8")
    for line in SHIPPED:
        _, fallback, name = line.split()
        is_dry = "true" if fallback == "input" else "false"
        assert f'{{"{name}", {is_dry}}}' in text


def test_the_commands_are_there(rtmss: Rtmss) -> None:
    assert {"build", "install", "uninstall", "check"} <= set(rtmss("plugin --help").out.split())
