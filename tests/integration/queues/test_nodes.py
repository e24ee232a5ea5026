"""Whole graphs in pools: on SLURM, and on a machine behind ssh that sees nothing of the project."""

import json
import sys

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.detached import DetachedExecutor
from zn_pipeline.queues.pools import Pool

pytestmark = pytest.mark.slow

MODULE = """
import os
import zn_pipeline as zn

def doubled(number):
    return 2 * number

class First(zn.Node):
    number: int = zn.params(1)
    values: list = zn.outs()
    where: dict = zn.outs()

    def run(self):
        self.values = list(self.map(doubled, [self.number, 2, 3]))
        self.where = {"cwd": os.getcwd(), "job": os.environ.get("SLURM_JOB_ID", "")}

class Second(zn.Node):
    values: list = zn.deps()
    total: int = zn.outs()

    def run(self):
        self.total = sum(self.values)
"""


@pytest.fixture
def graph(tmp_project):
    tmp_project.write("graph_nodes.py", MODULE)
    sys.path.insert(0, str(tmp_project.path))
    import graph_nodes

    project = zn.Project()
    with project:
        first = graph_nodes.First()
        second = graph_nodes.Second(values=first.values)
    yield project, first, second
    sys.path.remove(str(tmp_project.path))
    del sys.modules["graph_nodes"]


@pytest.mark.ssh
def test_a_graph_runs_behind_ssh(graph, behind_ssh, tmp_project):
    project, first, second = graph
    pool = Pool(name="there", kind="local", mode="detached", poll_seconds=0.5, ssh=behind_ssh)
    report = project.repro(executor=DetachedExecutor(pool), quiet=True)
    assert set(report.done) == {"First", "Second"}
    assert second.total == 12
    assert first.where["cwd"].startswith(behind_ssh.folder)
    assert (
        zn.map(sys.modules["graph_nodes"].doubled, [1, 2, 3]).report.n_cached == 3
    )  # the results of items came back too
    again = project.repro(executor=zn.SequentialExecutor(), quiet=True)
    assert set(again.unchanged) == {"First", "Second"}


@pytest.mark.slurm
def test_a_graph_runs_on_slurm(graph, slurm, tmp_project):
    project, first, second = graph
    tmp_project.write(
        "pools.toml",
        '[pools.queue]\nkind = "slurm"\npoll_seconds = 0.5\n[assign]\n"*" = "queue"\n',
    )
    project.repro(quiet=True)
    assert second.total == 12
    assert int(first.where["job"]) > 0
    assert json.loads((tmp_project.path / "outs/Second/total.json").read_text()) == 12
