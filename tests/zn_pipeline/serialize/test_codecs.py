import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zn_pipeline as zn
from zn_pipeline.records import FieldOptions, FieldSpec, Kind
from zn_pipeline.serialize import codecs
from zn_pipeline.serialize.codecs import codec_for, register_codec


def spec(annotation, kind=Kind.OUTS):
    return FieldSpec("field", FieldOptions(kind), annotation, required=False)


@pytest.mark.parametrize(
    ("annotation", "suffix"),
    [
        ("list[ase.Atoms]", ".h5"),
        ("list[Atoms]", ".h5"),
        ("zn.Frames", ".h5"),
        ("np.ndarray", ".npy"),
        (np.ndarray, ".npy"),
        ("NDArray[np.float64]", ".npy"),
        ("dict[str, np.ndarray]", ".npz"),
        ("pd.DataFrame", ".csv"),
        (pd.DataFrame, ".csv"),
        ("list[float]", ".json"),
        (dict, ".json"),
        ("Any", ".json"),
        ("AtomsLike", ".json"),
    ],
)
def test_the_annotation_selects_the_codec(annotation, suffix):
    assert codec_for(spec(annotation)).suffix == suffix


def test_metrics_and_plots_have_fixed_formats():
    assert codec_for(spec("Any", Kind.METRICS)).suffix == ".json"
    assert codec_for(spec("Any", Kind.PLOTS)).suffix == ".csv"


def test_an_archive_of_objects_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        codec_for(spec("dict[str, np.ndarray]")).dump({"a": [{}, None]}, tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("np.ndarray", np.arange(6.0).reshape(2, 3)),
        ("np.ndarray", np.array(["a", "bcd"])),
        ("np.ndarray", np.array(1.5)),
        ("np.ndarray", np.zeros((0, 3), dtype=np.float32)),
        ("np.ndarray", np.array([1 + 2j])),
    ],
)
def test_arrays(tmp_path: Path, annotation, value):
    codec = codec_for(spec(annotation))
    codec.dump(value, tmp_path / "a")
    back = codec.load(tmp_path / "a")
    np.testing.assert_array_equal(back, value)
    assert back.dtype == value.dtype


def test_an_array_of_objects_is_refused(tmp_path: Path):
    with pytest.raises(TypeError, match="must hold numbers or text, received dtype object"):
        codec_for(spec("np.ndarray")).dump([{}, None], tmp_path / "a")


def test_archives(tmp_path: Path):
    codec = codec_for(spec("dict[str, np.ndarray]"))
    value = {"file": np.arange(3), "allow_pickle": np.zeros(2), "a/b": np.ones(1)}
    codec.dump(value, tmp_path / "a.npz")
    back = codec.load(tmp_path / "a.npz")
    assert list(back) == list(value)
    for name, array in value.items():
        np.testing.assert_array_equal(back[name], array)


def test_tables_hold_floats_exactly(tmp_path: Path):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=200) * 10.0 ** rng.integers(-300, 300, size=200)
    numbers[:3] = np.nan, np.inf, -np.inf
    names = ["NA", "nan", "None", "null", *(f"n {i}" for i in range(196))]
    table = pd.DataFrame({"x": numbers, "name": names})
    codec = codec_for(spec("pd.DataFrame"))
    codec.dump(table, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(codec.load(tmp_path / "a.csv"), table, check_exact=True)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (tuple[int, Path], (1, Path("a"))),
        (dict[int, float], {1: 0.1}),
        (float, float("inf")),
        (list[int] | None, None),
        (int, "more than the annotation says"),
    ],
)
def test_json_comes_back_by_the_annotation(tmp_path: Path, annotation, value):
    codec = codec_for(spec(annotation), lambda: annotation)
    codec.dump(value, tmp_path / "a.json")
    assert codec.load(tmp_path / "a.json") == value


def test_json_holds_nan(tmp_path: Path):
    codec = codec_for(spec("list[float]"))
    codec.dump([float("nan"), np.float64(1.5)], tmp_path / "a.json")
    assert json.dumps(codec.load(tmp_path / "a.json")) == "[NaN, 1.5]"


@dataclasses.dataclass
class Molecule:
    name: str


@pytest.fixture
def own_codec(monkeypatch):
    monkeypatch.setattr(codecs, "_REGISTERED", {})
    register_codec(
        Molecule,
        suffix=".mol",
        dump=lambda value, path: path.write_text(value.name) and None,
        load=lambda path: Molecule(f"{path.read_text()} from {path.name}"),
    )


def test_an_own_codec_wins(own_codec):
    assert codec_for(spec(Molecule)).suffix == ".mol"
    assert codec_for(spec("chem.Molecule")).suffix == ".mol"
    assert codec_for(spec("Molecule | None")).suffix == ".mol"
    assert codec_for(spec("MoleculeList")).suffix == ".json"


def test_an_own_codec_in_a_run_and_at_a_revision(own_codec, modules, repro, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Molecule:\n"
        "    def __init__(self, name): self.name = name\n"
        "class Make(zn.Node):\n"
        "    out: Molecule = zn.outs()\n"
        "    def run(self):\n        self.out = Molecule('water')\n"
    )
    with repro():
        node = own.Make()
    assert node.out.name == "water from out.mol"
    tmp_project.commit()
    assert zn.from_rev("Make", rev="HEAD").out.name == "water from out.mol"


@pytest.mark.parametrize("suffix", ["xyz", "", ".", ".x y"])
def test_a_suffix_starts_with_a_dot(suffix):
    with pytest.raises(ValueError, match="suffix must start with a dot"):
        register_codec("X", suffix=suffix, dump=print, load=print)
