"""Notes on keys that change nothing."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodes.schema.section import Section

__all__ = ["print_notes"]


def print_notes(config: "Section") -> None:
    """Say on stderr which keys that were given are read but change nothing."""
    for path in config.without_effect():
        print(f"note: {path} has no effect", file=sys.stderr)
