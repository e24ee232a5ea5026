"""From a word to what computes."""

from pathlib import Path

import pytest

from zn_pipeline.errors import PipelineError
from zn_pipeline.items.backends import SerialBackend
from zn_pipeline.items.where import backend_of

POOLS = """
[pools.batch]
kind = "slurm"
[pools.cluster]
kind = "slurm"
mode = "dask"
[pools.cores]
kind = "local"
workers = 3
[assign]
"map:heavy*" = "batch"
"""


@pytest.fixture(autouse=True)
def pools():
    Path("pools.toml").write_text(POOLS)


@pytest.mark.parametrize(
    ("where", "label", "kind"),
    [
        (None, "light", "SerialBackend"),
        (None, "heavy_dft", "DetachedBackend"),
        (1, "heavy", "SerialBackend"),
        (2, "light", "ProcessBackend"),
        ("batch", "light", "DetachedBackend"),
        ("cluster", "light", "DaskBackend"),
        ("cores", "heavy", "ProcessBackend"),
    ],
)
def test_places(where, label, kind):
    assert type(backend_of(where, label=label)).__name__ == kind


def test_what_computes_is_taken_as_it_is():
    backend = SerialBackend()
    assert backend_of(backend, label="") is backend


def test_an_unknown_pool_is_told():
    with pytest.raises(PipelineError, match="a pool must be one of"):
        backend_of("bach", label="")
