import jax
import numpy as np
import pytest

from nodes.numerics import selftest


def test_this_build_passes():
    selftest.check_backend.__wrapped__()
    with jax.enable_x64(True):
        selftest.check_backend.__wrapped__()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wrong_products_are_refused(dtype):
    received, expected = selftest._products(100, dtype)
    selftest._compare(expected, expected, 100, np.dtype(dtype))
    wrong = received.copy()
    wrong[7] *= 1.5
    with pytest.raises(RuntimeError, match=rf"jax {jax.__version__} .* install jax!=0\.10\.2"):
        selftest._compare(wrong, expected, 100, np.dtype(dtype))


def test_it_runs_once_per_process(monkeypatch):
    selftest.check_backend.cache_clear()
    calls = []
    monkeypatch.setattr(selftest, "_compare", lambda *args: calls.append(args))
    selftest.check_backend()
    selftest.check_backend()
    assert len(calls) == 1
    selftest.check_backend.cache_clear()
