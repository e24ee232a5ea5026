import json

import pytest
from typer.testing import CliRunner

from nodes.schema.reading import ConfigError
from zn_pipeline.cli.app import app


def run(*arguments):
    done = CliRunner().invoke(app, ["schema", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_the_schema_is_json_schema():
    schema = json.loads(run("train"))
    assert schema["additionalProperties"] is False
    assert schema["properties"]["n_epochs"]["description"] == "Epochs to train."
    assert json.loads(run("md"))["required"] == ["duration", "initial_structure"]


def test_keys_are_listed_flat_or_alone_or_of_a_section():
    flat = run("train", "--flat").splitlines()
    assert "n_epochs: integer > 0 = required  # Epochs to train." in flat
    words = run("train", "--keywords").splitlines()
    assert "model.basis.n_basis" in words
    assert len(words) == len(set(words))
    section = run("train", "model.basis", "--keywords").splitlines()
    assert section == [
        "model.basis.name", "model.basis.n_basis", "model.basis.r_max", "model.basis.r_min",
        "model.basis.spacing",
    ]  # fmt: skip
    assert run("md", "h5md_options").startswith("h5md_options.compression: gzip | lzf | null")


def test_a_wrong_section_is_refused():
    with pytest.raises(ConfigError, match="SECTION must be one of train, received 'modle'"):
        run("train", "modle")
