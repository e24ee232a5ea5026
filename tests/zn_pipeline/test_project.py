import pytest

import zn_pipeline as zn
from zn_pipeline.errors import BuildError
from zn_pipeline.project import BUILD_ONLY
from zn_pipeline.testing import TemporaryProject


def test_groups_nest_and_open_again(calc):
    with zn.Project() as project:
        with project.group("a") as a:
            first = calc.Const(value=1)
            with project.group("b"):
                inner = calc.Const(value=1)
        with project.group("a"):
            second = calc.Const(value=2)
        with project.group(), project.group():
            pass
        with project.group() as unnamed:
            calc.Const(value=3)
    assert (first.name, second.name, inner.name) == ("Const", "Const_1", "Const")
    assert list(project.nodes) == ["a_Const", "a_b_Const", "a_Const_1", "Group3_Const"]
    assert list(a) == ["Const", "Const_1"]
    assert len(a) == 2
    assert a["Const_1"] is second
    assert first in a
    assert "Const" in a
    assert inner not in a
    assert a.nwd.as_posix() == "outs/a"
    assert inner.nwd.as_posix() == "outs/a/b/Const"
    assert unnamed.names == ("Group3",)
    with pytest.raises(KeyError):
        a["nothing"]


def test_a_group_belongs_into_the_block():
    project = zn.Project()
    with pytest.raises(BuildError, match="inside the project's with block"), project.group("a"):
        pass


def test_projects_do_not_nest():
    with zn.Project(), pytest.raises(BuildError, match="inside another Project"), zn.Project():
        pass


def test_a_project_can_be_opened_again(calc, tmp_project):
    project = zn.Project()
    with project:
        x = calc.Const(value=1)
    with project:
        y = calc.Echo(value=x.out)
    assert project.repro(executor=zn.SequentialExecutor()).done == ["Const", "Echo"]
    assert y.out == 1


def test_names_can_be_used_inside_the_block(calc):
    with zn.Project() as project:
        x = calc.Const(value=1)
        y = calc.Const(name=f"{x.name}-b", value=1)
    assert y.name == "Const-b"
    assert list(project.nodes) == ["Const", "Const-b"]


def test_build_only(calc, tmp_project: TemporaryProject, monkeypatch):
    monkeypatch.setenv(BUILD_ONLY, "1")
    with zn.Project() as project:
        calc.Const(value=1)
    assert project.repro().stages == {}
    assert (tmp_project.path / "dvc.yaml").exists()
    assert not (tmp_project.path / "outs").exists()


def test_status_says_why(calc, repro):
    with zn.Project() as project:
        x = calc.Const(value=1)
        calc.Echo(value=x.out)
    assert [(s.name, s.state, s.reasons) for s in project.status()] == [
        ("Const", "stale", ("never run",)),
        ("Echo", "waiting", ("waits for Const",)),
    ]
    project.repro(executor=zn.SequentialExecutor())
    assert {s.state for s in project.status()} == {"up to date"}
    with zn.Project() as project:
        x = calc.Const(value=2)
        calc.Echo(value=x.out)
    assert project.status()[0].reasons == ("param Const.value: 1 -> 2",)


def test_a_folder_that_is_no_repository_is_refused(calc, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    with zn.Project(folder) as project:
        calc.Const(value=1)
    with pytest.raises(zn.PipelineError, match=r"in a DVC repository, .*'zn-pipeline init'"):
        project.repro(executor=zn.SequentialExecutor())


def test_an_own_package_that_hides_the_library_is_refused(modules, calc, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "nodes", raising=False)
    modules.make("", "nodes.__init__")
    monkeypatch.delitem(sys.modules, "nodes.__init__", raising=False)
    monkeypatch.delitem(sys.modules, "nodes", raising=False)
    import nodes  # noqa: F401

    with zn.Project() as project:
        calc.Const(value=1)
    with pytest.raises(BuildError, match=r"\./nodes must not be a package of your own"):
        project.build()
    monkeypatch.delitem(sys.modules, "nodes", raising=False)


def test_what_git_tracks_is_no_cached_output(modules, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Write(zn.Node):\n"
        "    file: str = zn.outs_path()\n"
        "    kept: str = zn.outs_path('report.txt', cache=False)\n"
        "    def run(self):\n        pass\n"
    )
    tmp_project.write("src/code.py", "x = 1\n")
    tmp_project.write("report.txt", "kept by Git, as it should be\n")
    tmp_project.commit()
    for path in ("src", "src/code.py"):
        with zn.Project() as project:
            own.Write(file=path)
        with pytest.raises(BuildError, match=rf"Write.file must .*Git does not track.*'{path}'"):
            project.build()
    with zn.Project() as project:
        own.Write(file="elsewhere.txt")
    project.build()
