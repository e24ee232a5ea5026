"""`pools.toml`: what it may hold, and how it says what it may not."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zn_pipeline.queues.pools import Demand, Pool, PoolError, SshSettings, read_pools
from zn_pipeline.resources import Resources

EXAMPLE = """
[pools.slurm-dft]
kind = "slurm"
mode = "detached"
partition = "standard"
account = "physics"
extra = ["--constraint=skylake"]
workers = 4
items_per_job = 20
cpus = 16
memory_gib = 32
walltime_minutes = 120
setup = ["module load gpaw"]
environment = {OMP_NUM_THREADS = "1"}
python = "/opt/python"
retry_resources = [{memory_gib = 64}, {memory_gib = 128, walltime_minutes = 240}]
poll_seconds = 5

[pools.slurm-dft.ssh]
host = "user@cluster"
config_file = "ssh_config"
folder = "runs"

[pools.here]
kind = "local"
workers = 2

[assign]
"*LabelFrames*" = "slurm-dft"
"map:md*" = "here"
"*" = "local"
"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], object]:
    """Return a function that reads a text as `pools.toml`."""

    def read(text: str):
        (tmp_path / "pools.toml").write_text(text)
        return read_pools(tmp_path)

    return read


def test_all_keys_are_read(read, tmp_path: Path):
    pool = read(EXAMPLE).pool("slurm-dft")
    assert (pool.name, pool.kind, pool.mode, pool.workers) == ("slurm-dft", "slurm", "detached", 4)
    assert pool.resources == Resources(cpus=16, memory_gib=32, walltime_minutes=120)
    assert pool.ssh.host == "user@cluster"
    assert pool.ssh.config_file == str(tmp_path / "ssh_config")
    assert pool.environment == {"OMP_NUM_THREADS": "1"}


def test_without_a_file_there_is_the_pool_local(tmp_path: Path):
    pools = read_pools(tmp_path)
    assert pools.pool("local").mode == "processes"
    assert pools.pool("local").python == sys.executable
    assert pools.assigned("anything") is None


def test_modes_that_are_not_given(read):
    pools = read('[pools.a]\nkind = "local"\n[pools.b]\nkind = "sge"\n'
                 '[pools.c]\nkind = "local"\nssh = {host = "box"}\n')  # fmt: skip
    assert [pools.pool(name).mode for name in "abc"] == ["processes", "detached", "detached"]


def test_the_first_matching_pattern_wins(read):
    pools = read(EXAMPLE)
    assert pools.assigned("dft_LabelFrames_1").name == "slurm-dft"
    assert pools.assigned("map:md-long").name == "here"
    assert pools.assigned("Train").name == "local"


def test_an_unknown_pool_names_the_nearest(read):
    with pytest.raises(PoolError, match="received 'slurm_dft'; did you mean 'slurm-dft'"):
        read(EXAMPLE).pool("slurm_dft")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[pools.a]\nkind = "slurm"\npartitoin = "x"\n', r"toml:3: .*partitoin.*mean 'partition'"),
        ('[pools.a]\nkind = "slrum"\n', r"toml:2: pools.a.kind.*'slurm'.*received 'slrum'"),
        ('[pools.a]\nworkers = 3\n', r"toml:1: pools.a.kind must be given"),
        ('[pools.a]\nkind = "local"\nworkers = 0\n', r"toml:3: .*greater than or equal to 1"),
        ('[pools.a]\nkind = "local"\n[pools.a.ssh]\nhost = "b"\nfodler = "c"\n',
         r"toml:5: pools.a.ssh.fodler.*mean 'folder'"),
        ('[pools.a]\nkind = "local"\n[pools.a.ssh]\nhost = "-oProxyCommand=x"\n', r"toml:4: "),
        ('[pool.a]\nkind = "local"\n', r"toml:1: pool must not be given; did you mean 'pools'"),
        ('[pools.a]\nkind = "slurm"\nmode = "processes"\n', r"toml:1: pools.a: mode 'processes'"),
        ('[pools.a]\nkind = "slurm"\nmode = "dask"\nssh = {host = "b"}\n', r"behind ssh"),
        ('[pools.a]\nkind = "slurm"\nretry_resources = [{memory = 3}]\n',
         r"toml:3: .*retry_resources.0.memory .*mean 'memory_gib'"),
        ('[pools.a]\nkind = "slurm"\nenvironment = {"A B" = "c"}\n', r"toml:3: .*environment"),
        ('[pools.a\n', r"must be TOML.*line 1"),
        ('[assign]\n"x" = "there"\n', r"toml:2: .*received 'there'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(read, text: str, message: str):
    with pytest.raises(PoolError, match=message):
        read(text)


def test_demands_are_merged():
    pool = Pool(kind="slurm", cpus=4, memory_gib=8, retry_resources=({"memory_gib": 16},))
    asked = pool.demand(Resources(cpus=2, gpus=1, walltime_minutes=30))
    assert asked == Resources(cpus=4, gpus=1, memory_gib=8, walltime_minutes=30)


def test_later_attempts_ask_for_more():
    more = ({"memory_gib": 16}, {"memory_gib": 64, "walltime_minutes": 60})
    pool = Pool(kind="slurm", memory_gib=8, walltime_minutes=30, retry_resources=more)
    asked = [pool.demand(attempt=attempt) for attempt in (1, 2, 3, 9)]
    assert [demand.memory_gib for demand in asked] == [8, 16, 64, 64]
    assert [demand.walltime_minutes for demand in asked] == [30, 30, 60, 60]


def test_the_guide_shows_a_valid_file_and_every_key(read):
    guide = (Path(__file__).parents[3] / "docs" / "pools.md").read_text()
    example = re.search(r"```toml\n(.*?)```", guide, re.DOTALL)[1]
    assert read(example).assigned("pbe_LabelFrames").name == "dft"
    keys = {*Pool.model_fields, *SshSettings.model_fields, *Demand.model_fields} - {"name"}
    assert not {key for key in keys if f"`{key}`" not in guide}
