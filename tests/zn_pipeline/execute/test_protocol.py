import inspect

import pytest

import zn_pipeline as zn
from zn_pipeline.execute.display import LiveDisplay
from zn_pipeline.execute.protocol import Display, Executor, NoDisplay


def methods(protocol):
    return {n: f for n, f in vars(protocol).items() if inspect.isfunction(f) and n[0] != "_"}


@pytest.mark.parametrize(
    ("cls", "protocol"),
    [
        (zn.SequentialExecutor, Executor),
        (zn.DaskExecutor, Executor),
        (NoDisplay, Display),
        (LiveDisplay, Display),
    ],
)
def test_implementations_have_the_methods_with_their_parameters(cls, protocol):
    for name, method in methods(protocol).items():
        own = inspect.signature(getattr(cls, name)).parameters
        assert list(own) == list(inspect.signature(method).parameters)
