"""Load results of earlier revisions, also from another repository.

Every commit holds graph, params and the hashes of all outputs: a result is found by name and
revision (commit, tag, branch or DVC experiment). Values are read when they are first used. No code
of the other repository is run. A loaded node can be a dependency of a new graph.

You should see::

    at first:  3 -> 9
    at second: 4 -> 16
    now:       5 -> 25
    from another folder, by path: 9
    growth from first to now: 16
"""

import contextlib
import subprocess
import tempfile
from pathlib import Path

import zn_pipeline as zn


class Square(zn.Node):
    """Square a number."""

    value: int = zn.params()
    out: int = zn.outs()

    def run(self) -> None:
        self.out = self.value**2


class Difference(zn.Node):
    """Compare two numbers."""

    new: int = zn.deps()
    old: int = zn.deps()
    out: int = zn.outs()

    def run(self) -> None:
        self.out = self.new - self.old


def run_square(value: int) -> None:
    """Build a project with one node and run it."""
    with zn.Project() as project:
        Square(value=value)
    project.repro()


def commit(tag: str) -> None:
    """Commit all files and tag the commit, as you would by hand."""
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    saved = [*me, "commit", "--quiet", "--allow-empty", "--message", tag]
    for command in (["add", "--all"], saved, ["tag", "--force", tag]):
        subprocess.run(["git", *command], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    run_square(3)
    commit("first")
    run_square(4)
    commit("second")
    first, second = (zn.from_rev("Square", rev=rev) for rev in ("first", "second"))
    with zn.Project() as project:
        now = Square(value=5)
        growth = Difference(new=now.out, old=first.out)
    project.repro()
    print(f"at first:  {first.value} -> {first.out}")
    print(f"at second: {second.value} -> {second.out}")
    print(f"now:       {now.value} -> {now.out}")
    here = str(Path.cwd())
    with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
        print(f"from another folder, by path: {zn.from_rev('Square', here, 'first').out}")
    print(f"growth from first to now: {growth.out}")


if __name__ == "__main__":
    main()
