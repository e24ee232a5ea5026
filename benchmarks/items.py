"""Cost per item of ``zn.map``, beside wfl in the same run.

usage: python benchmarks/items.py [--peer PYTHON] [--n 2000] [--repeat 7] [--large 10000 100000]

PYTHON is the interpreter of an environment that has wfl, see https://github.com/libAtoms/workflow.
Both frameworks get the same crystals of one to four atoms and a calculator that returns zeros, so
that what is left is the cost of the framework. Each runs in a process of its own; the two take
turns, and the least of all repetitions counts: machines are noisy. CPU seconds are those of user
and system, worker processes included.

``--large``: as many structures from an H5MD file to an H5MD file with two workers, the store on,
and the memory of the driver; the peer does the same with its own format (extended XYZ).
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = os.environ.get("ZN_PYTHON", sys.executable)
CHUNK = 100

CASES = {
    "serial": "one process, memory to memory",
    "processes": f"two processes, chunks of {CHUNK}",
    "again": "the same call again",
    "files": "two processes, file to file",
}


def structures(n):
    """Return rattled crystals of one to four atoms."""
    import numpy as np
    from ase.build import bulk

    rng = np.random.default_rng(0)
    made = []
    for number in range(n):
        atoms = bulk(("Cu", "Ni")[number % 2], cubic=number % 3 == 0)
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.info["idx"] = number
        made.append(atoms)
    return made


def null_calculator():
    """Return a class of calculators that return zeros."""
    import numpy as np
    from ase.calculators.calculator import Calculator, all_changes

    class Null(Calculator):
        implemented_properties = ("energy", "free_energy", "forces", "stress")

        def calculate(self, atoms=None, properties=None, system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results = {
                "energy": 0.0,
                "free_energy": 0.0,
                "forces": np.zeros((len(atoms), 3)),
                "stress": np.zeros(6),
            }

    Null.__module__, Null.__qualname__ = "__main__", "Null"
    globals()["Null"] = Null
    return Null


class Ours:
    """This framework; each call has a store of its own, in which nothing is yet."""

    SUFFIX = ".h5"

    def __init__(self, folder):
        import zn_pipeline as zn

        self.zn = zn
        self.folder = folder
        self.calculator = (null_calculator(), {})
        self.stores = 0

    def write(self, file, frames):
        """Write the input file."""
        from zn_pipeline.serialize.frames import write_frames

        write_frames(file, frames)

    def prepare(self, case):
        """Do what is not measured: an empty store, or one that has all results."""
        if case != "again":
            self.stores += 1
        return self.folder / f"store{self.stores}"

    def run(self, case, store, given, out):
        """Run a case; return the number of results."""
        where = 2 if case in ("processes", "files") else None
        batch = CHUNK if case == "processes" else None
        results = self.zn.map(
            self.calculator, given, store=store, where=where, batch=batch, out=out, progress=False
        )
        return len(results)


class Wfl:
    """wfl; it keeps no results but its files, so there is nothing to be found again."""

    SUFFIX = ".xyz"

    def __init__(self, folder):
        warnings.filterwarnings("ignore")
        from wfl.autoparallelize import AutoparaInfo
        from wfl.calculators import generic
        from wfl.configset import ConfigSet, OutputSpec

        self.generic, self.info = generic, AutoparaInfo
        self.configs, self.output = ConfigSet, OutputSpec
        self.calculator = (null_calculator(), [], {})

    def write(self, file, frames):
        """Write the input file."""
        import ase.io

        ase.io.write(file, frames)

    def prepare(self, case):
        """There is no store."""

    def run(self, case, store, given, out):
        """Run a case; return the number of results."""
        options = {"num_python_subprocesses": 0}
        if case in ("processes", "files"):
            options = {"num_python_subprocesses": 2, "num_inputs_per_python_subprocess": CHUNK}
        if out is not None:
            out.unlink(missing_ok=True)
        self.generic.calculate(
            self.configs(given),
            self.output() if out is None else self.output(out),
            self.calculator,
            output_prefix="X_",
            autopara_info=self.info(**options),
        )
        return len(given) if out is None else None


def cpu_seconds():
    """Return user and system seconds of this process and of those it waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def peak_mib():
    """Return the largest resident set of this process so far."""
    with Path("/proc/self/status").open() as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(kind, n):
    """Run the cases whose names are read from stdin; answer each with what it cost."""
    answers = os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    folder = Path(tempfile.mkdtemp(prefix="bench-items-"))
    try:
        framework = {"ours": Ours, "wfl": Wfl}[kind](folder)
        source, out = folder / f"in{framework.SUFFIX}", folder / f"out{framework.SUFFIX}"
        given = None
        for line in sys.stdin:
            case = line.strip()
            if case == "files":
                if not source.exists():
                    subprocess.run(
                        [sys.executable, __file__, "--write", kind, str(n), str(source)],
                        check=True,
                    )
                for old in folder.glob("out*"):
                    old.unlink()
                items, target = source, out
            else:
                given = structures(n) if given is None else given
                items, target = [atoms.copy() for atoms in given], None
            store = framework.prepare(case)
            before, begin = peak_mib(), time.perf_counter()
            cpu = cpu_seconds()
            n_results = framework.run(case, store, items, target)
            cost = {
                "cpu_us": 1e6 * (cpu_seconds() - cpu) / n,
                "wall_us": 1e6 * (time.perf_counter() - begin) / n,
                "before_mib": before,
                "peak_mib": peak_mib(),
            }
            assert n_results in (n, None), n_results
            print(json.dumps(cost), file=answers, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A process that runs cases of one framework."""

    def __init__(self, python, kind, n):
        self.process = subprocess.Popen(
            [python, __file__, "--serve", kind, "--n", str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def measure(self, case):
        """Return the costs of one run of a case."""
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{case} failed: {' '.join(self.process.args)}")
        return json.loads(answer)

    def close(self):
        """Let the process end."""
        self.process.stdin.close()
        self.process.wait()


def least(runs, name):
    """Return the least of several runs."""
    return min(run[name] for run in runs)


def small_cases(n, repeat, peer):
    """Measure the small cases by turns; return the costs by case and framework."""
    servers = {"ours": Server(PYTHON, "ours", n)}
    if peer:
        servers["wfl"] = Server(peer, "wfl", n)
    runs = {(case, kind): [] for case in list(CASES)[:3] for kind in servers}
    for turn in range(repeat + 1):
        for case, kind in runs:
            if case == "again" and kind == "wfl":
                continue
            cost = servers[kind].measure(case)
            if turn:  # the first turn imports and fills caches
                runs[case, kind].append(cost)
    for server in servers.values():
        server.close()
    if peer:
        runs["again", "wfl"] = runs["serial", "wfl"]  # it would compute all of it again
    return runs


def report(title, ours, theirs, unit="us"):
    """Print a line of the table; return it."""
    ratio = f"{ours / theirs:8.2f}" if theirs else f"{'':8s}"
    other = f"{theirs:8.1f} {unit}" if theirs else ""
    print(f"{title:48s} {ours:8.1f} {unit} {other:>12s} {ratio}", flush=True)
    return {"case": title, "ours": ours, "peer": theirs, "unit": unit}


def main():
    """Measure this framework, and the peer in the same run if one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="Python of an environment that has wfl")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--large", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.n)
        return
    if arguments.write:
        kind, n, file = arguments.write
        {"ours": Ours, "wfl": Wfl}[kind](None).write(Path(file), structures(int(n)))
        return
    rows = []
    print(f"per item{'':40s} {'ours':>11s} {'wfl':>12s} {'ratio':>8s}")
    runs = small_cases(arguments.n, arguments.repeat, arguments.peer)
    for case in list(CASES)[:3]:
        for name in ("cpu_us", "wall_us"):
            ours, theirs = runs[case, "ours"], runs.get((case, "wfl"))
            title = f"{CASES[case]}, {name[:-3]}"
            rows.append(report(title, least(ours, name), least(theirs, name) if theirs else None))
    for n in arguments.large:
        costs = {}
        for kind, python in (("ours", PYTHON), ("wfl", arguments.peer)):
            if python:
                server = Server(python, kind, n)
                costs[kind] = server.measure("files")
                server.close()
        for name, unit in (("cpu_us", "us"), ("wall_us", "us"), ("peak_mib", "MiB")):
            theirs = costs["wfl"][name] if "wfl" in costs else None
            title = f"{CASES['files']}, {n} items, {name.partition('_')[0]}"
            rows.append(report(title, costs["ours"][name], theirs, unit))
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    with (results / "items.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
