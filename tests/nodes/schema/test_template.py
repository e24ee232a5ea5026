import pytest
from ruamel.yaml import YAML

from nodes.cli.kinds import Kind, example_of, section_of
from nodes.schema.reading import check_config
from nodes.schema.template import template


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("full", [False, True])
def test_a_template_is_a_valid_file_with_the_same_settings(kind, full):
    example = example_of(kind)
    text = template(example, full=full)
    read = check_config(YAML().load(text), section_of(kind))
    assert read.model_dump() == example.model_dump()
    assert read.without_effect() == []


def test_the_full_template_explains_and_the_short_one_does_not():
    example = example_of(Kind.TRAIN)
    short, full = template(example, full=False), template(example, full=True)
    assert "#" not in short
    assert "patience" not in short
    assert "# Stop after so many epochs" in full
    assert "end_value: 1.0e-06" in full
    assert max(map(len, full.splitlines())) <= 100


def test_lists_of_sections_begin_with_their_name():
    lines = template(example_of(Kind.TRAIN), full=True).splitlines()
    assert "  - name: energy" in lines
    assert "    weight: 4.0" in lines
