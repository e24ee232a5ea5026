from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt, model_validator

from nodes.schema.reading import ConfigError, check_config, read_config, write_config
from nodes.schema.section import Section


class Fine(Section):
    """Fine."""

    name: Literal["fine"]
    """Fine."""
    n_basis: PositiveInt = 3
    """Number of functions."""


class Coarse(Section):
    """Coarse."""

    name: Literal["coarse"]
    """Coarse."""


class Plan(Section):
    """A plan."""

    n_epochs: PositiveInt
    """Epochs."""
    basis: Annotated[Fine | Coarse, Field(discriminator="name")] = Coarse(name="coarse")
    """The basis."""
    parts: tuple[Fine, ...] = Field((), min_length=0)
    """Parts."""
    rate: float = 1.0
    """Rate."""

    @model_validator(mode="after")
    def _check(self) -> "Plan":
        if self.rate > 100.0:
            raise ValueError("rate must be at most 100, received more")
        return self


def written(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def problem(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        read_config(written(tmp_path, text), Plan)
    return str(caught.value)


def test_a_file_is_read_with_plain_values(tmp_path):
    text = "n_epochs: 3\nrate: 1e-3\nbasis: {name: fine, n_basis: 7}\nparts: [{name: fine}]\n"
    plan = read_config(written(tmp_path, text), Plan)
    assert plan.rate == 1e-3
    assert type(plan.rate) is float
    assert plan.basis == Fine(name="fine", n_basis=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_epochs: 1\nbasis:\n  name: fine\n  nbasis: 7\n",
         "line 4: basis.nbasis is not a key, did you mean n_basis?"),
        ("n_epochs: 1\nn_basis: 7\n", "line 2: n_basis is not a key here, did you mean "
         "basis.n_basis?"),
        ("n_epochs: 1\nzzz: 7\n",
         "line 2: zzz is not a key; the keys here are basis, n_epochs, parts, rate"),
        ("n_epochs: 1\nbasis: {name: fime}\n",
         "line 2: basis.name must be one of fine, coarse, received 'fime'; did you mean fine?"),
        ("n_epochs: 1\nbasis: {n_basis: 3}\n", "line 2: basis.name must be given"),
        ("rate: 1.0\n", "n_epochs must be given"),
        ("n_epochs: 1\nparts:\n- name: fine\n- name: fine\n  n_basis: 0\n",
         "line 5: parts.1.n_basis must be greater than 0, received 0"),
        ("n_epochs: x\n", "line 1: n_epochs must be a valid integer"),
        ("n_epochs: 1\nrate: 1000\n", "the file: rate must be at most 100, received more"),
        ("n_epochs: 1\nn_epochs: 2\n", 'found duplicate key "n_epochs"'),
        ("n_epochs: [1\n", "must be YAML, received at line"),
        ("- 1\n", "must hold keys and values, received CommentedSeq"),
    ],
)  # fmt: skip
def test_an_error_names_line_key_and_the_nearest_right_key(tmp_path, text, message):
    found = problem(tmp_path, text)
    assert message in found
    assert "c.yaml" in found


def test_all_problems_are_named_at_once(tmp_path):
    found = problem(tmp_path, "n_epochs: 0\nrat: 2\n")
    assert "2 problems" in found
    assert "did you mean rate?" in found


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml must be a readable YAML file"):
        read_config(tmp_path / "none.yaml", Plan)


def test_what_is_written_is_read_back(tmp_path):
    plan = check_config({"n_epochs": 2, "basis": {"name": "fine"}}, Plan)
    write_config(tmp_path / "out.yaml", plan)
    assert read_config(tmp_path / "out.yaml", Plan) == plan
    assert "rate: 1.0" in (tmp_path / "out.yaml").read_text()
