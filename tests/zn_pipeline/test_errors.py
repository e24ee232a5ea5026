import pytest

from zn_pipeline import errors

ALL = [value for value in vars(errors).values() if isinstance(value, type)]


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_is_a_pipeline_error_and_stands_in_the_tree(error):
    assert issubclass(error, errors.PipelineError)
    assert error.__name__ in errors.__doc__
    assert str(error("the message")) == "the message"


def test_errors_are_also_of_the_usual_kind():
    assert issubclass(errors.NodeNotFoundError, KeyError)
    assert issubclass(errors.FieldError, TypeError)
    assert issubclass(errors.MissingExtraError, ImportError)
    assert str(errors.NodeNotFoundError()) == ""
