"""What the wheel has besides Python: the plug-in's bundles, where somebody has built them.

    rtmss plugin build --output FOLDER
    RTMSS_PLUGIN_BUNDLES=FOLDER python -m build --wheel

Without that variable the wheel has none, and `rtmss plugin install` builds them. The wheel is for
every system either way: bundles that do not fit a machine are left where they are.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "RTMSS_PLUGIN_BUNDLES"


class BundlesHook(BuildHookInterface[Any]):
    """Takes the bundles along, if they are of these sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them to what hatchling has found.

        Raises:
            RuntimeError: the bundles are of other sources.
        """
        named = os.environ.get(VARIABLE)
        if version == "editable" or not named:
            self.app.display_info(f"without the plug-in's bundles: {VARIABLE} names none")
            return
        folder = Path(named).resolve()
        check(folder, Path(self.root), self.metadata.version)
        target = f"rtmss/plugin_bundles/{sys.platform}_{platform.machine()}"
        build_data["force_include"][str(folder)] = target
        self.app.display_info(f"with the plug-in's bundles of {folder}")


def check(folder: Path, root: Path, version: str) -> None:
    """See that bundles are of the sources beside them.

    Raises:
        RuntimeError: they are not.
    """
    path = root / "rtmss/plugin/identity.py"
    spec = importlib.util.spec_from_file_location("rtmss_plugin_identity", path)
    assert spec is not None
    assert spec.loader is not None
    identity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(identity)
    if identity.said(folder) != identity.content_id(root / "plugin", version):
        raise RuntimeError(
            f"{VARIABLE}: the bundles of {folder} are not of these sources: "
            f"`rtmss plugin build --output FOLDER` makes new ones"
        )
