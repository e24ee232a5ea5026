"""Names and scripts of jobs."""

import re
import subprocess

import pytest

from zn_pipeline.queues.schedulers.base import clock, in_groups, mebibytes, queue_name
from zn_pipeline.resources import Resources


@pytest.mark.parametrize("limit", [15, 64])
@pytest.mark.parametrize("name", ["abc", "x" * 200, 'it\'s a "name"', "é/$(rm)"])
def test_names_are_safe_and_short(name, limit):
    made = queue_name(name, "/a/b", limit)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", made)
    assert len(made) <= limit


@pytest.mark.parametrize("limit", [15, 64])
def test_a_name_belongs_to_one_folder(limit):
    assert queue_name("a", "/x/a", limit) == queue_name("a", "/x/a", limit)
    assert queue_name("a", "/x/a", limit) != queue_name("a", "/y/a", limit)


def test_units():
    assert [clock(minutes) for minutes in (0.01, 1, 90, 3000)] == [
        "00:00:01",
        "00:01:00",
        "01:30:00",
        "50:00:00",
    ]
    assert mebibytes(1.5) == 1536


def test_commands_are_cut_to_a_bearable_length():
    assert [len(group) for group in in_groups(map(str, range(700)))] == [300, 300, 100]


@pytest.mark.parametrize("kind", ["local", "slurm", "sge", "pbs"])
def test_a_script_is_sound_and_keeps_the_order_of_its_parts(scheduler, kind):
    queue = scheduler(
        kind,
        setup=("module load gpaw",),
        environment={"OMP_NUM_THREADS": "1", "NAME": "it's"},
        directives=("#SPECIAL line",),
        python="/opt/my python/bin/python",
    )
    script = queue.script("zn-a", "/a b/it's", Resources(cpus=8), {"PYTHONPATH": "/p q"})
    assert subprocess.run(["bash", "-n"], input=script.encode(), check=True)
    places = [
        script.index(part)
        for part in (
            "#!/bin/bash",
            "#SPECIAL line",
            "exec >>",
            "OMP_NUM_THREADS=1",
            "PYTHONPATH='/p q'",
            "\nmodule load gpaw\n",
            "exec '/opt/my python/bin/python' -P -m zn_pipeline.queues.job .\n",
        )
    ]
    assert places == sorted(places)
    assert "MKL_NUM_THREADS=8" in script
    assert "OMP_NUM_THREADS=8" not in script
