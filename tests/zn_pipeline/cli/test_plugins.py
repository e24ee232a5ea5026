import sys
import types
from importlib.metadata import EntryPoint

import pytest
import typer
from typer.testing import CliRunner

from zn_pipeline.cli import plugins
from zn_pipeline.cli.app import app
from zn_pipeline.errors import PipelineError


def greet(name: str, loud: bool = typer.Option(False, "--loud")) -> None:
    """Say hello."""
    print(f"hello {name}".upper() if loud else f"hello {name}")


@pytest.fixture
def entries(monkeypatch):
    """Three commands of other packages: a good one, one that is broken, and one that is taken."""
    monkeypatch.setitem(sys.modules, "guest", types.SimpleNamespace(greet=greet))
    found = [
        EntryPoint("greet", "guest:greet", plugins.GROUP),
        EntryPoint("lost", "nowhere_at_all:run", plugins.GROUP),
        EntryPoint("status", "guest:greet", plugins.GROUP),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found)


def test_commands_of_other_packages_are_called_like_own_ones(entries):
    assert CliRunner().invoke(app, ["greet", "you"]).stdout == "hello you\n"
    assert CliRunner().invoke(app, ["greet", "you", "--loud"]).stdout == "HELLO YOU\n"
    assert CliRunner().invoke(app, ["greet"]).exit_code == 2
    assert "Say hello." in CliRunner().invoke(app, ["greet", "--help"]).stdout


def test_the_list_of_commands_has_them_and_a_broken_one_does_not_harm(entries):
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert "greet" in text
    assert "Say hello." in text
    assert "lost" in text
    assert "Cannot be imported" in text


def test_a_broken_command_says_what_is_wrong(entries):
    done = CliRunner().invoke(app, ["lost"])
    assert isinstance(done.exception, PipelineError)
    assert "lost of nowhere_at_all must be importable" in str(done.exception)


def test_own_commands_cannot_be_replaced(entries):
    assert "Say for each node" in CliRunner().invoke(app, ["status", "--help"]).stdout


def test_a_command_is_imported_only_when_it_is_needed(entries, monkeypatch):
    monkeypatch.setattr(plugins, "_found", lambda: pytest.fail("own commands need no search"))
    assert CliRunner().invoke(app, ["status", "--help"]).exit_code == 0


def test_the_node_library_adds_its_commands():
    text = CliRunner().invoke(app, ["--help"]).stdout
    for name in ("train", "eval", "md", "template", "validate", "schema"):
        assert f"\n  {name}" in text
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
