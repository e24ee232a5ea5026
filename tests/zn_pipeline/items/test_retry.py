"""What the environment says about failed items."""

import zn_pipeline as zn
from zn_pipeline.items.retry import RETRY, told


def test_the_environment_decides(monkeypatch, counting, evaluations, structures, store):
    monkeypatch.delenv(RETRY, raising=False)
    assert told() is None
    zn.map(counting.picky, structures, store=store, on_error="record")
    monkeypatch.setenv(RETRY, "failed")
    evaluations()
    zn.map(counting.picky, structures, store=store, on_error="record")
    assert evaluations() == 1
