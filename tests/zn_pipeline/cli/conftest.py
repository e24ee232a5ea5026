"""A small project that has been built, and one that has been run."""

import pytest

import zn_pipeline as zn


@pytest.fixture
def built(calc, tmp_project):
    with zn.Project() as project, project.group("g"):
        x = calc.Const(name="x", value=1)
        calc.Echo(name="y", value=x.out)
    project.build()
    return project


@pytest.fixture
def run_before(built):
    built.repro(executor=zn.SequentialExecutor(), quiet=True)
    return built
