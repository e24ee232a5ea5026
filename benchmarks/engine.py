"""Cost of the engine for trivial nodes, in CPU seconds of the whole process tree.

usage: python benchmarks/engine.py [--sizes 1000 5000] [--peer ADAPTER]

With ``--peer`` the same steps are run with another framework in the same run, at 10 and 50 nodes:
ADAPTER is a Python file with the names of ``adapter.py``. Machines are noisy: compare CPU seconds,
and ratios within one run.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def load(path):
    """Return an adapter module."""
    spec = importlib.util.spec_from_file_location("adapter", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Scratch:
    """A repository of its own for one adapter."""

    def __init__(self, adapter):
        self.adapter = adapter
        self.folder = Path(tempfile.mkdtemp(prefix=f"bench-{adapter.NAME}-"))
        (self.folder / "nodes.py").write_text(adapter.NODES_PY)
        (self.folder / "main.py").write_text(adapter.MAIN_PY)
        for command in adapter.INIT:
            self.run(command)

    def run(self, command, folder=None):
        """Run a command; return its CPU seconds and the JSON that it printed after TIMES."""
        bin_dir = str(Path(self.adapter.PYTHON).parent)
        environment = dict(
            os.environ,
            PATH=f"{bin_dir}:{os.environ['PATH']}",
            PYTHONPATH=str(self.folder),
            DVC_NO_ANALYTICS="1",
        )
        command = [self.adapter.PYTHON if word == "python" else word for word in command]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        times = done.stdout.rpartition("TIMES ")[2].splitlines()
        return cpu, json.loads(times[0]) if times and times[0].startswith("{") else {}

    def close(self):
        """Remove the repository."""
        shutil.rmtree(self.folder, ignore_errors=True)


def import_cost(adapter, statement):
    """Return the CPU seconds of a statement in a fresh process, without the start of Python."""
    scratch = Scratch(adapter)
    costs = []
    for text in (statement, "pass"):
        runs = sorted(scratch.run(["python", "-c", text])[0] for _ in range(7))
        costs.append(runs[3])
    scratch.close()
    return costs[0] - costs[1]


def run_costs(adapter, kind, n):
    """Return the costs of building, running and running again a graph of n nodes."""
    scratch = Scratch(adapter)
    _, cold = scratch.run(["python", "main.py", kind, str(n), "0"])
    for command in adapter.COMMIT:
        scratch.run(command)
    run_cpu, _ = scratch.run(adapter.REPRO)
    nothing_cpu, _ = scratch.run(adapter.REPRO)
    scratch.close()
    return {
        "kind": kind,
        "n": n,
        "build_ms_per_node": 1e3 * cold["build_cpu"] / n,
        "run_ms_per_node": 1e3 * run_cpu / n,
        "run_cpu_s": run_cpu,
        "nothing_to_do_cpu_s": nothing_cpu,
    }


def read_costs(adapter, n):
    """Return milliseconds of from_rev and one output, warm: in place, and from another folder."""
    scratch = Scratch(adapter)
    scratch.run(["python", "main.py", "wide", str(n), "0"])
    scratch.run(adapter.REPRO)
    for command in adapter.COMMIT:
        scratch.run(command)
    (scratch.folder / "read.py").write_text(adapter.READ_PY)
    script = str(scratch.folder / "read.py")
    name = adapter.NODE(n - 1)
    _, here = scratch.run(["python", script, name, "local", "-"])
    elsewhere = Path(tempfile.mkdtemp())
    _, there = scratch.run(["python", script, name, "remote", str(scratch.folder)], elsewhere)
    shutil.rmtree(elsewhere)
    scratch.close()
    return {
        "n": n,
        "local_ms": 1e3 * (here["warm_from_rev"] + here["warm_read"]),
        "by_path_ms": 1e3 * (there["warm_from_rev"] + there["warm_read"]),
        "by_path_first_ms": 1e3 * (there["first_from_rev"] + there["first_read"]),
    }


def measure(adapter, sizes, read_sizes, statement):
    """Measure one framework and print each figure as it comes."""
    rows = [{"framework": adapter.NAME, "import_cpu_s": import_cost(adapter, statement)}]
    print(json.dumps(rows[-1]), flush=True)
    for kind in ("wide", "chain"):
        for n in sizes:
            rows.append({"framework": adapter.NAME, **run_costs(adapter, kind, n)})
            print(json.dumps(rows[-1]), flush=True)
    for n in read_sizes:
        rows.append({"framework": adapter.NAME, **read_costs(adapter, n)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main():
    """Measure this framework, and a peer in the same run if one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--read-sizes", type=int, nargs="+", default=[300])
    parser.add_argument("--peer", type=Path, help="adapter of another framework")
    parser.add_argument("--peer-sizes", type=int, nargs="+", default=[10, 50])
    arguments = parser.parse_args()
    ours = load(HERE / "adapter.py")
    rows = measure(ours, arguments.sizes, arguments.read_sizes, "import zn_pipeline")
    if arguments.peer:
        peer = load(arguments.peer)
        statement = peer.IMPORTS[0]
        rows += measure(peer, arguments.peer_sizes, arguments.peer_sizes[:1], statement)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    with (results / "engine.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
