"""Experiments of stock DVC on graphs of ours."""

import json

import pytest

import zn_pipeline as zn

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_project, my_nodes):
    """A committed project that has been run."""
    with zn.Project() as project:
        const = my_nodes.Const(value=1.5)
        my_nodes.Scale(x=const.out)
    project.repro(executor=zn.SequentialExecutor())
    tmp_project.commit("first")
    return project


def results(shell) -> dict[str, float]:
    """Return the result of each experiment by its name, as `dvc exp show` gives it."""
    found: dict[str, float] = {}
    for commit in json.loads(shell.dvc("exp", "show", "--json")):
        for experiment in commit["experiments"] or []:
            (revision,) = experiment["revs"]
            (metrics,) = revision["data"]["metrics"].values()
            found[revision["name"]] = metrics["data"]["result"]
    return found


def test_one_experiment(project, shell, run_log):
    run_log.take()
    shell.dvc("exp", "run", "--name", "triple", "-S", "Scale.factor=3")
    assert run_log.take() == ["Scale"]
    assert results(shell) == {"triple": 4.5}
    assert shell.stale() == []
    assert "triple" in shell.dvc("exp", "diff", "HEAD", "triple") + shell.dvc("exp", "list")
    shell.dvc("exp", "apply", "triple")
    assert project.nodes["Scale"].factor == 2.0
    assert zn.from_rev("Scale").factor == 3.0
    assert shell.stale() == []
    assert shell.is_clean()


def test_queued_experiments(project, shell):
    shell.dvc("exp", "run", "--queue", "-S", "Scale.factor=range(3,6)")
    shell.dvc("exp", "run", "--run-all")
    found = results(shell)
    assert sorted(found.values()) == [4.5, 6.0, 7.5]
    for name, result in found.items():
        scale = zn.from_rev("Scale", rev=name)
        assert scale.out == result == scale.factor * 1.5
        assert list(scale.curve["value"]) == [0.0, 1.5, result]
    assert zn.from_rev("Scale").out == 3.0
    assert shell.is_clean()


def test_an_experiment_run_by_us_is_saved_by_dvc(project, shell):
    params = shell.folder / "params.yaml"
    params.write_text(params.read_text().replace("factor: 2.0", "factor: 5.0"))
    shell.znp("repro", "--quiet", "-j", "1")
    shell.dvc("exp", "save", "--name", "by-us")
    assert results(shell) == {"by-us": 7.5}
    assert zn.from_rev("Scale", rev="by-us").out == 7.5
