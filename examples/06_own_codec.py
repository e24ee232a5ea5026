"""A file format of your own for outputs of your own type.

The annotation of an output selects how it is stored. Arrays, tables, structures and plain data are
known; for any other class say once how to write and how to read it, next to the class, so that
workers and everyone who loads the node later know it too.

You should see::

    file: outs/FitLine/line.txt
    content: 2.0 1.0
    loaded: Line(slope=2.0, intercept=1.0)
    at x = 10: 21.0
"""

import dataclasses
from pathlib import Path

import numpy as np

import zn_pipeline as zn


@dataclasses.dataclass(frozen=True)
class Line:
    """A straight line."""

    slope: float
    intercept: float

    def at(self, x: float) -> float:
        return self.slope * x + self.intercept


def write_line(line: Line, path: Path) -> None:
    path.write_text(f"{line.slope!r} {line.intercept!r}\n", encoding="utf-8")


def read_line(path: Path) -> Line:
    return Line(*map(float, path.read_text(encoding="utf-8").split()))


zn.register_codec(Line, suffix=".txt", dump=write_line, load=read_line)


class FitLine(zn.Node):
    """Fit a straight line to points."""

    x: list[float] = zn.params()
    y: list[float] = zn.params()
    line: Line = zn.outs()

    def run(self) -> None:
        slope, intercept = np.polyfit(self.x, self.y, deg=1)
        self.line = Line(round(float(slope), 12), round(float(intercept), 12))


def main() -> None:
    with zn.Project() as project:
        fit = FitLine(x=[0.0, 1.0, 2.0], y=[1.0, 3.0, 5.0])

    project.repro()

    file = fit.nwd / "line.txt"
    loaded = zn.from_rev("FitLine").line
    print(f"file: {file.as_posix()}")
    print(f"content: {file.read_text(encoding='utf-8').strip()}")
    print(f"loaded: {loaded}")
    print(f"at x = 10: {loaded.at(10.0)}")


if __name__ == "__main__":
    main()
