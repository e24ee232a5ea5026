"""``znp schema train|md``: every key there is."""

import json
from typing import Annotated

import typer

from nodes.cli.kinds import Kind, section_of


def schema(
    kind: Annotated[Kind, typer.Argument(help="What the file is for.")],
    section: Annotated[str, typer.Argument(help="Only keys of a section, as model.basis.")] = "",
    flat: Annotated[bool, typer.Option("--flat", help="One line for each key.")] = False,
    keywords: Annotated[bool, typer.Option("--keywords", help="The keys alone.")] = False,
) -> None:
    """Print the JSON schema of a config file, or its keys one by one."""
    from nodes.schema.listing import keys_of, matching
    from nodes.schema.reading import ConfigError

    keys = keys_of(section_of(kind))
    if section:
        keys = matching(keys, section)
        if not keys:
            raise ConfigError(f"SECTION must be one of {kind}, received {section!r}")
    if keywords:
        print("\n".join(dict.fromkeys(key.path for key in keys)))
    elif flat or section:
        print("\n".join(key.line for key in keys))
    else:
        print(json.dumps(section_of(kind).model_json_schema(), indent=2))
