"""Loading nodes of any revision of any repository."""

import pytest

import zn_pipeline as zn
from zn_pipeline.errors import RemoteError
from zn_pipeline.store.source import Source, import_class, open_source, workspace


@pytest.fixture
def history(calc, repro, tmp_project):
    """Two revisions: x is 1 at v1, and 2 at main."""
    for value, tag in ((1, "v1"), (2, "v2")):
        with repro() as project, project.group("g", "h"):
            x = calc.Const(name="x", value=value)
            calc.Echo(value=[x.out, x])
            calc.Write(text=f"text {value}")
        tmp_project.commit(tag)
        tmp_project.git("tag", tag)
    tmp_project.git("branch", "old", "v1")
    return tmp_project


@pytest.mark.parametrize("name", ["g/h/x", "g_h_x", "/g/h/x"])
def test_both_spellings_of_a_name(history, name):
    assert zn.from_rev(name).out == 2
    assert zn.from_rev(name).name == "x"


@pytest.mark.parametrize(
    ("rev", "value"), [("v1", 1), ("old", 1), ("HEAD~1", 1), ("HEAD", 2), ("main", 2), (None, 2)]
)
@pytest.mark.parametrize("remote", [None, "path", "url"])
def test_every_way_to_name_a_revision(history, tmp_path_factory, monkeypatch, rev, value, remote):
    if remote is not None:
        import os

        os.chdir(tmp_path_factory.mktemp("elsewhere"))
        remote = str(history.path) if remote == "path" else f"file://{history.path}"
    x = zn.from_rev("g/h/x", remote, rev)
    echo = zn.from_rev("g/h/Echo", remote, rev)
    assert (x.value, x.out, x.plus) == (value, value, value + 1)
    assert echo.value[0] == value
    assert echo.value[1].value == value
    assert echo.out[0] == value
    assert zn.from_rev("g/h/Write", remote, rev).file.read_text() == f"text {value}"


def test_a_wrong_name_comes_with_a_suggestion(history):
    message = r"the workspace .* has no node 'g_h_Ehco'; did you mean 'g_h_Echo'"
    with pytest.raises(zn.NodeNotFoundError, match=message):
        zn.from_rev("g/h/Ehco")
    with pytest.raises(zn.NodeNotFoundError, match=r"revision [0-9a-f]{9} of .* has no node"):
        zn.from_rev("nothing", rev="HEAD")


def test_unknown_revisions_and_repositories(history, tmp_path_factory):
    with pytest.raises(RemoteError, match=r"rev must be .*, received 'v9'"):
        zn.from_rev("g/h/x", rev="v9")
    with pytest.raises(RemoteError, match="must be a Git repository"):
        zn.from_rev("g/h/x", tmp_path_factory.mktemp("empty"), "HEAD")
    for rev in (None, "HEAD"):
        with pytest.raises(
            RemoteError, match="remote must be a folder or URL, received 'no/where'"
        ):
            zn.from_rev("g/h/x", "no/where", rev)


def test_nothing_is_read_before_it_is_asked_for(history, monkeypatch):
    node = zn.from_rev("g/h/Echo", rev="v1")
    asked = []
    value = Source.value

    def spy(self, name, spec):
        asked.append(f"{name}.{spec.name}")
        return value(self, name, spec)

    monkeypatch.setattr(Source, "value", spy)
    node = zn.from_rev("g/h/Echo", rev="v1")
    assert asked == []
    assert node.out == node.out
    assert asked == ["g_h_Echo.out"]


def test_no_code_of_the_revision_is_executed(history, modules, calc):
    """The class is the one that is installed here, whatever the revision says."""
    calc = modules.edit(calc, ("return self.out + 1", "return self.out + 100"))
    assert zn.from_rev("g/h/x", rev="v1").plus == 101


OLD = """\
import zn_pipeline as zn

class Node(zn.Node):
    old_param: int = zn.params()
    old_dep: int = zn.deps()
    old_out: int = zn.outs()

    def run(self):
        self.old_out = self.old_param
"""


@pytest.mark.parametrize("kind", ["param", "dep", "out"])
def test_a_renamed_field_names_both_versions_and_aliases_cure_it(
    modules, repro, calc, tmp_project, kind
):
    own = modules.make(OLD)
    with repro():
        own.Node(old_param=3, old_dep=calc.Const(value=3).out)
    tmp_project.commit()
    own = modules.edit(own, (f"old_{kind}:", f"new_{kind}:"))
    shown = rf"Node\.new_{kind} is a field of the installed class {own.__name__}:Node"
    message = rf"{shown}, but revision .*old_{kind}"
    with pytest.raises(zn.PipelineError, match=message):
        getattr(zn.from_rev("Node", rev="HEAD"), f"new_{kind}")
    old = f"zn.{kind}s("
    modules.edit(own, (old, f"{old}aliases=['old_{kind}']"))
    assert getattr(zn.from_rev("Node", rev="HEAD"), f"new_{kind}") == 3


def test_a_value_that_does_not_fit_is_named(calc, repro, tmp_project):
    with repro():
        calc.Const(value=1)
    tmp_project.write("params.yaml", "Const:\n  value: many\n")
    with pytest.raises(zn.PipelineError, match=r"Const\.value must fit its annotation .*'many'"):
        zn.from_rev("Const").value  # noqa: B018


def test_a_missing_package_is_named(calc, repro, tmp_project, modules):
    with repro():
        calc.Const(value=1)
    (tmp_project.path / f"{calc.__name__}.py").unlink()
    tmp_project.forget_modules()
    message = f"the module '{calc.__name__}' of Const must be importable"
    with pytest.raises(ModuleNotFoundError, match=message):
        zn.from_rev("Const")


def test_an_output_that_never_was_says_what_to_run(calc, tmp_project):
    with zn.Project() as project, project.group("g"):
        calc.Const(value=1)
    project.build()
    with pytest.raises(zn.NotRunError, match=r"g/Const\.out does not .*zn-pipeline repro"):
        zn.from_rev("g/Const").out  # noqa: B018


def test_post_init_runs_on_loaded_nodes(modules, repro):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Post(zn.Node):\n"
        "    a: int = zn.params()\n"
        "    out: int = zn.outs()\n"
        "    def __post_init__(self):\n        self.extra = 1\n"
        "    def run(self):\n        self.out = self.a + self.extra\n"
    )
    with repro():
        own.Post(a=1)
    loaded = zn.from_rev("Post")
    assert (loaded.out, loaded.extra) == (2, 1)


def test_sources_are_shared(history):
    first, second = open_source(None, "v1"), open_source(None, "v1")
    assert first.snapshot is second.snapshot
    assert workspace(history.path) is workspace(history.path)
    assert first.node("g_h_x") is first.node("g_h_x")


def test_classes_are_imported_by_path(calc):
    assert import_class(f"{calc.__name__}:Const") is calc.Const
