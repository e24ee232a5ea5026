"""Metrics, plots, files that Git keeps, whole params files, nodes that always run."""

from ruamel.yaml import YAML

from zn_pipeline.testing import TemporaryProject

FIELDS = """\
import zn_pipeline as zn
from pathlib import Path

class All(zn.Node):
    settings: Path = zn.params_path("settings.yaml")
    score: dict[str, float] = zn.metrics()
    loose: dict[str, float] = zn.metrics(cache=False)
    curve: object = zn.plots(x="step", y="loss", title="Loss", x_label="n")
    both: object = zn.plots(x="step", y=["loss", "error"])
    table: object = zn.plots()
    image: Path = zn.plots_path(zn.nwd / "image.png")
    report: Path = zn.metrics_path(zn.nwd / "report.json", cache=False)
    kept: int = zn.outs(cache=False)

    def run(self) -> None:
        import pandas as pd

        self.score = self.loose = {"rmse": 0.5}
        self.curve = self.both = self.table = pd.DataFrame({"step": [1], "loss": [2], "error": [3]})
        self.image.write_bytes(b"png")
        self.report.write_text("{}")
        self.kept = 1
"""


def test_metrics_plots_and_options(modules, repro, tmp_project: TemporaryProject):
    tmp_project.write("settings.yaml", "a: 1\n")
    own = modules.make(FIELDS)
    with repro():
        node = own.All(always_changed=True)
    content = YAML(typ="safe").load((tmp_project.path / "dvc.yaml").read_text())
    assert content["stages"]["All"] == {
        "cmd": "zn-pipeline run All",
        "params": [{"graph.json": ["All"]}, {"settings.yaml": None}],
        "outs": [
            "outs/All/curve.csv",
            "outs/All/both.csv",
            "outs/All/table.csv",
            {"outs/All/kept.json": {"cache": False}},
        ],
        "metrics": [
            "outs/All/score.json",
            {"outs/All/loose.json": {"cache": False}},
            {"outs/All/report.json": {"cache": False}},
        ],
        "plots": ["outs/All/image.png"],
        "always_changed": True,
    }
    assert content["plots"] == [
        {
            "All_curve": {
                "x": {"outs/All/curve.csv": "step"},
                "y": {"outs/All/curve.csv": "loss"},
                "x_label": "n",
                "title": "Loss",
            }
        },
        {
            "All_both": {
                "x": {"outs/All/both.csv": "step"},
                "y": {"outs/All/both.csv": ["loss", "error"]},
            }
        },
    ]
    assert node.score == {"rmse": 0.5}
    assert list(node.curve.columns) == ["step", "loss", "error"]
    with repro():
        own.All(always_changed=True)
    assert repro.report.stages["All"].reason == "always changed"


def test_a_whole_params_file_is_tracked(modules, repro, tmp_project: TemporaryProject):
    own = modules.make(
        "import zn_pipeline as zn\nfrom pathlib import Path\n"
        "class Settings(zn.Node):\n"
        "    file: Path = zn.params_path()\n"
        "    out: str = zn.outs()\n"
        "    def run(self):\n        self.out = self.file.read_text()\n"
    )
    for text in ("a: 1\n", "a: 2\n"):
        tmp_project.write("settings.yaml", text)
        with repro():
            node = own.Settings(file="settings.yaml")
        assert node.out == text
        assert repro.done == {"Settings"}
    with repro():
        own.Settings(file="settings.yaml")
    assert repro.report.unchanged == ["Settings"]


def test_a_file_that_is_not_cached_is_not_put_into_the_cache(modules, repro, tmp_project):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Loose(zn.Node):\n"
        "    out: int = zn.outs(cache=False)\n"
        "    def run(self):\n        self.out = 1\n"
    )
    with repro():
        own.Loose()
    assert not list((tmp_project.path / ".dvc" / "cache").rglob("files/md5/*/*"))
    with repro():
        own.Loose()
    assert repro.report.unchanged == ["Loose"]
