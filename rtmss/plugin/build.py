"""Making the bundles: VST3, CLAP and LV2 from one source, and a tiny host to try them with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rtmss import __version__
from rtmss.config import UserError
from rtmss.plugin.identity import NAME, said
from rtmss.plugin.patches import patch
from rtmss.plugin.sources import check_tools, content_id, dpf_folder, plugin_sources

FREEWHEEL = '        lv2:symbol "freewheel" ;\n'
"""Of the port that LV2 hosts set when they render offline; DPF has no word for it."""
FREEWHEELING = f"{FREEWHEEL}        lv2:designation lv2:freeWheeling ;\n"
OPTIMISED = ("-std=c++17", "-O2")


class Bundles(NamedTuple):
    """What was built."""

    vst3: Path
    clap: Path
    lv2: Path
    clap_host: Path
    lv2_host: Path
    vst3_host: Path
    """Tiny hosts to try the others with."""

    @classmethod
    def in_folder(cls, folder: Path) -> Bundles:
        """Where they are."""
        names = ("rtmss.vst3", "rtmss.clap", "rtmss.lv2", "claphost", "lv2host", "vst3host")
        return cls(*(folder / name for name in names))

    @property
    def plugins(self) -> tuple[Path, Path, Path]:
        """What hosts load."""
        return self.vst3, self.clap, self.lv2

    @property
    def libraries(self) -> tuple[Path, Path, Path]:
        """What is in them to be run."""
        vst3 = self.vst3 / f"Contents/{platform.machine()}-linux/rtmss.so"
        return vst3, self.clap, self.lv2 / "rtmss_dsp.so"


def built(folder: Path) -> Bundles | None:
    """Bundles of these very sources that were built before."""
    target = folder / content_id()
    return Bundles.in_folder(target) if said(target) == target.name else None


def build(
    folder: Path, say: Callable[[str], None] = lambda _: None, *, anew: bool = False
) -> Bundles:
    """Build the bundles, or find those of the same sources.

    Args:
        folder: where builds are kept, each under the id of its sources.
        say: told what takes a while.
        anew: build them also where they are.

    Raises:
        UserError: a tool is missing, or the compiler fails.
    """
    if not anew and (found := built(folder)) is not None:
        return found
    check_tools()
    say("building the plug-in, once for these sources; this takes a minute")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as name:
        work = Path(name)
        make(work)
        _describe_lv2(work)
        _build_hosts(work)
        target = folder / content_id()
        sign(work / "bin")
        shutil.rmtree(target, ignore_errors=True)
        (work / "bin").replace(target)
    return Bundles.in_folder(target)


def copied(bundles: Bundles, folder: Path) -> Bundles:
    """Bundles copied into a new folder, with their hosts.

    Raises:
        UserError: something is there already, or cannot be written.
    """
    try:
        shutil.copytree(bundles.clap.parent, folder)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror or error}") from error
    return Bundles.in_folder(folder)


def make(work: Path, *words: str) -> Path:
    """Run the plug-in's makefile on patched sources of DPF in a folder of work, with more words.

    Returns:
        The folder with what was made.

    Raises:
        UserError: DPF is another one than 1.6, or the compiler fails.
    """
    dpf, made = work / "dpf", work / "bin"
    ignored = shutil.ignore_patterns("dgl", "lac")  # no panel, and a link that leads nowhere
    shutil.copytree(dpf_folder(), dpf, ignore=ignored)
    patch(dpf)
    flags = " ".join(
        f"-DRTMSS_{name}={number}"
        for name, number in zip(("MAJOR", "MINOR", "MICRO"), _version(), strict=True)
    )
    _run(
        [
            "make",
            f"-j{len(os.sched_getaffinity(0))}",
            "-C",
            str(plugin_sources()),
            f"DPF_PATH={dpf}",
            f"DPF_BUILD_DIR={work / 'objects'}",
            f"DPF_TARGET_DIR={made}",
            f"VERSION_FLAGS={flags}",
            *words,
        ]
    )
    return made


def _describe_lv2(work: Path) -> None:
    """Write the LV2's description, which its library knows."""
    generator = work / "lv2_ttl_generator"
    source = work / "dpf/utils/lv2-ttl-generator/lv2_ttl_generator.c"
    _run(["g++", "-x", "c", str(source), "-o", str(generator), "-ldl"])
    bundle = work / "bin/rtmss.lv2"
    _run([str(generator), "./rtmss_dsp.so"], folder=bundle)
    described = bundle / "rtmss_dsp.ttl"
    text = described.read_text(encoding="utf-8")
    if text.count(FREEWHEEL) != 1:
        raise UserError("DPF describes the LV2 in another way than version 1.6 does")
    described.write_text(text.replace(FREEWHEEL, FREEWHEELING), encoding="utf-8")


def sign(folder: Path) -> None:
    """Say in a folder of bundles what they are made of, and under which licences."""
    (folder / NAME).write_text(f"{content_id()}\n", encoding="ascii")
    bundles = [path for path in folder.iterdir() if path.is_dir()]
    places = [path / "Contents/Resources" if path.suffix == ".vst3" else path for path in bundles]
    for place in (folder, *places):
        place.mkdir(exist_ok=True)
        shutil.copy(plugin_sources() / "LICENSES.txt", place)


def _build_hosts(work: Path) -> None:
    headers = f"-I{work / 'dpf/distrho/src'}"
    for name in ("ClapHost", "Lv2Host", "Vst3Host"):
        source = plugin_sources() / f"host/{name}.cpp"
        target = work / "bin" / name.lower()
        _run(["g++", *OPTIMISED, "-rdynamic", headers, str(source), "-o", str(target), "-ldl"])


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    """Run a step of the build.

    Raises:
        UserError: it fails; says the last that it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
        raise UserError(f"the build failed at {command[0]}: {errors[0]}")


def _version() -> list[int]:
    """The three numbers of the version."""
    return [int("".join(filter(str.isdigit, part)) or 0) for part in __version__.split(".")[:3]]
