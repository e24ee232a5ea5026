"""Nodes go where `pools.toml` says."""

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.dask import DaskExecutor
from zn_pipeline.execute.dask_pool import ClusterExecutor
from zn_pipeline.execute.detached import DetachedExecutor
from zn_pipeline.execute.pools import PoolExecutor, executor_of
from zn_pipeline.queues.pools import Pool, read_pools

POOLS = """
[pools.jobs]
kind = "local"
mode = "detached"
poll_seconds = 0.2

[assign]
"g_*" = "jobs"
"""


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("processes", DaskExecutor), ("dask", ClusterExecutor), ("detached", DetachedExecutor)],
)
def test_each_mode_has_its_executor(mode, kind):
    assert type(executor_of(Pool(name="p", kind="local", mode=mode))) is kind


def test_nodes_go_to_their_pools(calc, modules, repro, tmp_project):
    tmp_project.write("pools.toml", POOLS)
    own = modules.make(
        "import os\nimport zn_pipeline as zn\n"
        "class Where(zn.Node):\n"
        "    a: str = zn.deps(None)\n    out: str = zn.outs()\n"
        "    def run(self):\n        self.out = os.environ.get('ZN_DEADLINE_TEST', os.getcwd())\n"
        "        self.out = str('queues.job' in open(f'/proc/{os.getppid()}/cmdline').read())\n"
    )
    executor = PoolExecutor(read_pools(tmp_project.path), n_workers=1)
    with repro(executor) as project:
        here = own.Where(name="here")
        with project.group("g"):
            there = own.Where(name="there", a=here.out)
    assert (here.out, there.out) == ("False", "True")


def test_a_project_takes_its_pools(calc, tmp_project):
    tmp_project.write("pools.toml", POOLS)
    project = zn.Project()
    with project, project.group("g"):
        x = calc.Const(name="x", value=1.0)
    assert isinstance(project._executor(None), PoolExecutor)
    project.repro(quiet=True)
    assert x.out == 1.0
    with pytest.raises(zn.PipelineError, match="received 'nowhere'"):
        project.repro(pool="nowhere", quiet=True)
