import subprocess
import sys

from nodes.cli.kinds import Kind, example_of, section_of


def test_each_kind_has_a_schema_and_an_example():
    for kind in Kind:
        assert isinstance(example_of(kind), section_of(kind))


def test_the_commands_import_nothing_heavy():
    names = ["train", "evaluate", "md", "template", "validate", "schema", "kinds", "notes"]
    lines = "; ".join(f"import nodes.cli.{name}" for name in names)
    heavy = "{'jax', 'optax', 'pydantic', 'ase', 'h5py', 'numpy'} & set(sys.modules)"
    code = f"import sys; {lines}; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
