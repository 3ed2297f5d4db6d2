"""Sessions of Ardour, made and exported without its window."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pedalboard.io import AudioFile

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.plugin.hosts import run_host

RATE = 44100
TICKS = 282_240_000 // RATE
"""Of Ardour's clock, in a sample."""
PROGRAMS = ("ardour7-lua", "ardour7-export")
PREROLL = 89_856
"""Samples of silence that its export runs before a session's start, or some hops less."""
TRIES = 5
"""Ardour 7.3's export crashes now and then, with plug-ins and without them."""

MAKE = """
local folder, name, which, preset, bypass, strict = table.unpack(arg)
AudioEngine:set_backend("None (Dummy)", "", "")
local session = assert(create_session(folder, name, 44100))
for _, track in ipairs({"song", "plain"}) do
  local made = session:new_audio_track(
    2, 2, nil, 1, track, ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal)
  for one in made:iter() do one:set_strict_io(strict == "strict") end
end
if which ~= "none" then
  local uri = which == "LV2" and "urn:rtmss:plugin" or "rtmss"
  local processor = ARDOUR.LuaAPI.new_plugin(session, uri, ARDOUR.PluginType[which], "")
  assert(not processor:isnil(), "there is no such plug-in")
  session:route_by_name("song"):add_processor_by_index(processor, 0, nil, true)
  local insert = processor:to_insert()
  local plugin, n = insert:plugin(0), 0
  for i = 0, plugin:parameter_count() - 1 do
    if plugin:parameter_is_control(i) then
      if plugin:parameter_label(i) == "Preset" then
        assert(ARDOUR.LuaAPI.set_processor_param(processor, n, tonumber(preset)))
      end
      n = n + 1
    end
  end
  processor:activate()
  if bypass == "bypass" then insert:enable(false) end
end
sleep(1)  -- its tracks are connected by another thread
session:save_state("")
close_session()
quit()
"""


def make_session(
    folder: Path,
    sounds: Mapping[str, Audio],
    which: str,
    *,
    preset: int = 0,
    bypass: bool = False,
    strict: bool = True,
) -> Path:
    """A session with the tracks `song`, with the plug-in, and `plain`, without.

    Args:
        folder: where it goes; its name is the session's.
        sounds: (2, S) of each track.
        which: LV2, VST3 or none.
        preset: its number.
        bypass: the plug-in's own bypass.
        strict: tracks stay stereo; otherwise all outputs of the plug-in are the track's.
    """
    script = folder.with_suffix(".lua")
    script.write_text(MAKE, encoding="utf-8")
    words = ["bypass" if bypass else "", "strict" if strict else ""]
    run_host(["ardour7-lua", str(script), str(folder), folder.name, which, str(preset), *words])
    _lay(folder, sounds)
    return folder


def export_session(folder: Path) -> Audio:
    """(2, S) what Ardour exports of its master.

    Raises:
        AssertionError: it crashes each time.
    """
    target = folder.with_suffix(".wav")
    command = ["ardour7-export", "-b", "float", "-o", str(target), str(folder), folder.name]
    for _ in range(TRIES):
        try:
            run_host(command)
        except UserError:
            continue
        with AudioFile(str(target)) as file:
            return np.asarray(file.read(file.frames), np.float32)
    raise AssertionError(f"{folder}: Ardour crashes each time")


def scan_vst3(bundle: Path) -> None:
    """Have Ardour know a VST3, as its window does at start."""
    scanner = "/usr/lib/ardour7/ardour-vst3-scanner"
    subprocess.run(["env", "LD_LIBRARY_PATH=/usr/lib/ardour7", scanner, str(bundle)], check=True)


def is_there() -> bool:
    """Whether there is an Ardour that these sessions are for."""
    return all(shutil.which(name) is not None for name in PROGRAMS)


def connect(folder: Path, bus: int) -> None:
    """Have the master hear another bus of the song's plug-in, without the track's panner."""
    path = folder / f"{folder.name}.ardour"
    text = path.read_text(encoding="utf-8")
    for side in (1, 2):
        old, new = f"song/audio_out {side}", f"song/audio_out {2 * bus + side}"
        link = f'">\n          <Connection other="Master/audio_in {side}"/>\n        </Port>'
        start, free = '<Port type="audio" name="', '"/>'
        text = text.replace(f"{start}{old}{link}", f"{start}{old}{free}")
        text = text.replace(f"{start}{new}{free}", f"{start}{new}{link}")
        text = text.replace(f'<Connection other="{old}"/>', f'<Connection other="{new}"/>')
    path.write_text(text.replace('bypassed="0" user-panner', 'bypassed="1" user-panner'))


def _lay(folder: Path, sounds: Mapping[str, Audio]) -> None:
    """Put sounds onto tracks from the session's start on; Ardour's Lua cannot."""
    path = folder / f"{folder.name}.ardour"
    text = path.read_text(encoding="utf-8")
    files = folder / "interchange" / folder.name / "audiofiles"
    sources, regions = [], []
    for number, (track, sound) in enumerate(sounds.items()):
        left, right, whole, part = range(900_000 + 4 * number, 900_004 + 4 * number)
        with AudioFile(str(files / f"{track}-1.wav"), "w", RATE, 2, bit_depth=32) as file:
            file.write(sound)
        sources += [
            f'<Source name="{track}-1.wav" take-id="" type="audio" flags="" id="{one}" '
            f'channel="{channel}" origin="" gain="1"/>'
            for channel, one in enumerate((left, right))
        ]
        region = _region(track, sound.shape[1], (left, right))
        regions.append(region.format(id=whole, whole=1))
        found = re.search(rf'<Playlist [^>]*name="{track}"[^>]*/>', text)
        assert found is not None, "Ardour writes sessions in another way than 7.3 does"
        laid = f"{found[0][:-2]}>{region.format(id=part, whole=0)}</Playlist>"
        text = text.replace(found[0], laid)
    end = TICKS * max(sound.shape[1] for sound in sounds.values())
    place = f'<Location id="990000" name="session" start="a0" end="a{end}" flags="IsSessionRange"/>'
    for name, inside in (("Sources", sources), ("Regions", regions), ("Locations", [place])):
        text = text.replace(f"<{name}/>", f"<{name}>{''.join(inside)}</{name}>")
    path.write_text(text, encoding="utf-8")


def _region(track: str, n_samples: int, sources: tuple[int, int]) -> str:
    """A region of a whole file, without fades; `id` and `whole` are left open."""
    left, right = sources
    off = " ".join(
        f'{name}="0"'
        for name in ("muted", "locked", "fade-in-active", "fade-out-active", "layering-index")
    )
    return (
        f'<Region name="{track}-1" type="audio" id="{{id}}" whole-file="{{whole}}" opaque="1" '
        f'{off} start="a0" length="a{n_samples * TICKS}@a0" stretch="1" shift="1" '
        f'scale-amplitude="1" '
        f'source-0="{left}" source-1="{right}" master-source-0="{left}" master-source-1="{right}" '
        f'channels="2" first-edit="nothing"/>'
    )
