"""YAML as plain values: strict, and bounded before anything is made of it."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from rtmss.bounded import MAX_DEPTH, UnreadableError, read_text

MAX_YAML_BYTES = 1 << 16
"""Of a file of settings."""
MAX_DESCRIPTION_BYTES = 1 << 20
MAX_VALUES = 10_000
"""In one document, those that aliases repeat counted again."""


_MERGE = "tag:yaml.org,2002:merge"


class _BoundedLoader(yaml.SafeLoader):
    """YAML that is refused as soon as it is too deep or too large."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._sizes: dict[int, int] = {}
        """Values in every node that is whole, by its identity."""
        self._open: list[int] = [0]
        """Values so far in each node that is being read, the outermost first."""

    def compose_node(
        self,
        parent: yaml.Node | None,
        index: Any,
    ) -> yaml.Node | None:
        """Read a node, unless the document is too deep or too large by then."""
        is_alias = self.check_event(yaml.AliasEvent)
        if len(self._open) > MAX_DEPTH:
            raise yaml.YAMLError(f"nested more than {MAX_DEPTH} deep")
        self._open.append(0 if is_alias else 1)
        node = super().compose_node(parent, index)
        size = self._open.pop()
        if is_alias:
            size = self._size_of_alias(node)
        else:
            self._sizes[id(node)] = size
        self._open[-1] += size
        if self._open[-1] > MAX_VALUES:
            raise yaml.YAMLError(f"more than {MAX_VALUES} values, those of aliases included")
        return node

    def _size_of_alias(self, node: yaml.Node | None) -> int:
        if id(node) not in self._sizes:
            raise yaml.YAMLError("an alias stands inside of what it stands for")
        return self._sizes[id(node)]


class _StrictLoader(_BoundedLoader):
    """YAML without duplicate keys, which plain YAML would silently merge."""


def _construct_mapping(
    loader: _StrictLoader,
    node: yaml.MappingNode,
) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == _MERGE:
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.YAMLError(
                f"line {key_node.start_mark.line + 1}: a key must be a plain word, got {key}"
            )
        if key in seen:
            raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: key '{key}' stands twice")
        seen.add(key)
    loader.flatten_mapping(node)
    return dict(loader.construct_mapping(node, deep=True))


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def parse_yaml(text: str, *, is_strict: bool = True) -> Any:
    """The value of a YAML document.

    Args:
        text: the document.
        is_strict: refuse keys that stand twice.

    Raises:
        UnreadableError: it is nested too deep, holds too much, or is no YAML.
    """
    loader: _BoundedLoader | None = None
    try:
        loader = _StrictLoader(text) if is_strict else _BoundedLoader(text)
        return loader.get_single_data()
    except Exception as error:  # PyYAML raises many kinds: ValueError for the 31st of February
        raise UnreadableError(f"not valid YAML: {' '.join(str(error).split()):.300}") from error
    finally:
        if loader is not None:
            loader.dispose()


def load_yaml(path: Path) -> Any:
    """The value of a file of settings, which has no key twice.

    Raises:
        UnreadableError: it cannot be read, is too large, or is no YAML.
    """
    return parse_yaml(read_text(path, MAX_YAML_BYTES))


def load_description(path: Path) -> Any:
    """The value of a file that describes a song of a dataset.

    Raises:
        UnreadableError: it cannot be read, is too large, or is no YAML.
    """
    return parse_yaml(read_text(path, MAX_DESCRIPTION_BYTES), is_strict=False)
