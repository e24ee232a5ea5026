"""Tests mirror the tree: the test of `nodes/a/b.py` is `tests/nodes/a/test_b.py`."""

import ast
import inspect
from pathlib import Path

import nodes
import zn_pipeline

WITHOUT_TEST_FILE: dict[str, str] = {
    # "path of the module": "where its behaviour is tested instead"
    "nodes/interfaces.py": "Protocols only; the tests of each calculator check against them.",
    "nodes/numerics/biases/records.py": "What a bias offers; the tests of each bias.",
    "nodes/numerics/biases/prediction.py": "Asked for in each test of biases/test_evaluation.py.",
    "nodes/numerics/potentials/corrections/pairs.py": "Distances and edges; test_zbl.py.",
    "nodes/numerics/relax/batch.py": "Parts of one loop; relax/test_relaxation.py runs it.",
    "nodes/numerics/relax/block.py": "Parts of one loop; relax/test_relaxation.py runs it.",
    "nodes/numerics/relax/result.py": "Parts of one loop; relax/test_relaxation.py runs it.",
    "nodes/numerics/relax/state.py": "Parts of one loop; relax/test_relaxation.py runs it.",
    "nodes/numerics/potentials/corrections/records.py": "A protocol; tests of each correction.",
    "nodes/numerics/potentials/heads/records.py": "A protocol; tests/.../heads/test_property.py.",
    "nodes/numerics/potentials/representation.py": "A protocol; tests of each representation.",
}


def has_mirror(module: Path, tests: set[Path]) -> bool:
    """Whether `test_<module>.py`, or parts of it named `test_<module>_*.py`, stand in its place."""
    folder = Path("tests") / module.parent
    stem = f"test_{module.stem.removeprefix('_')}"
    return any(
        path.parent == folder and (path.stem == stem or path.stem.startswith(f"{stem}_"))
        for path in tests
    )


def test_every_module_has_its_test_file(library_files: list[Path], python_files: list[Path]):
    tests = {path for path in python_files if path.parts[0] == "tests"}
    missing = [
        str(module)
        for module in library_files
        if module.stem not in {"__init__", "__main__"}
        and str(module) not in WITHOUT_TEST_FILE
        and not has_mirror(module, tests)
    ]
    assert not missing, f"these modules must have a test at the mirrored place: {missing}"


def test_the_exceptions_still_exist(root: Path):
    gone = [module for module in WITHOUT_TEST_FILE if not (root / module).is_file()]
    assert not gone, "remove these from WITHOUT_TEST_FILE"


def names_checked(path: Path) -> set[str]:
    """Return the names that a test file mentions, if it calls `check_node` at all."""
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names if "check_node" in names else set()


def test_every_node_passes_check_node(root: Path, python_files: list[Path]):
    checked = {
        name
        for path in python_files
        if path.parts[:2] == ("tests", "nodes")
        for name in names_checked(root / path)
    }
    public = {name: getattr(nodes, name) for name in nodes.__all__}
    unchecked = [
        name
        for name, value in public.items()
        if inspect.isclass(value)
        and issubclass(value, zn_pipeline.Node)
        and not inspect.isabstract(value)
        and name not in checked
    ]
    assert not unchecked, f"these nodes must be given to check_node in tests/nodes: {unchecked}"
