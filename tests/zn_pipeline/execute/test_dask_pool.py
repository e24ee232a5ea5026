"""Nodes on a Dask cluster that a pool starts."""

import os

from zn_pipeline.execute.dask_pool import ClusterExecutor
from zn_pipeline.queues.pools import Pool

POOL = Pool(name="cluster", kind="local", mode="dask", workers=2)


def test_a_graph_runs_on_the_cluster(calc, modules, repro):
    own = modules.make(
        "import os\nimport zn_pipeline as zn\n"
        "class Where(zn.Node):\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = os.getpid()\n"
        "class Die(zn.Node):\n"
        "    def run(self):\n        os._exit(1)\n"
    )
    with repro(ClusterExecutor(POOL), check=False):
        where = own.Where()
        calc.Broken()
        own.Die()
    assert where.out != os.getpid()
    assert "ValueError: no such luck" in repro.report.stages["Broken"].error
    assert "WorkerDied" in repro.report.stages["Die"].error
