"""``make bench``: all benchmarks, one after the other."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

NAMES = (
    "engine.py", "frames.py", "selection.py", "items.py", "neighbors.py", "potentials.py",
    "molecular_dynamics.py", "relax.py", "continuous_learning.py",
)  # fmt: skip

for name in NAMES:
    print(f"==> {name}", flush=True)
    subprocess.run([sys.executable, str(HERE / name)], check=True)
