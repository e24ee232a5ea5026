"""``make demo``: run the campaign in a folder of its own, commit the result, say how to load it."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def call(command: list[str], folder: Path) -> None:
    """Run a command; end this program if it fails."""
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


def prepare(folder: Path) -> None:
    """Make a Git and DVC repository with the Project script in it."""
    print(f"==> Preparing {folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():  # a repository of its own, also inside another one
        call(["git", "init", "--quiet"], folder)
    call([sys.executable, "-m", "zn_pipeline.cli", "init"], folder)
    shutil.copy(HERE / "campaign.py", folder)
    has_name = subprocess.run(
        ["git", "config", "user.name"], cwd=folder, capture_output=True, check=False
    )
    if has_name.returncode != 0:
        call(["git", "config", "user.name", "demo"], folder)
        call(["git", "config", "user.email", "demo@example.org"], folder)


def main() -> None:
    """Run the campaign and commit it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE.parent.parent / "demo")
    folder = parser.parse_args().folder.resolve()
    start = time.perf_counter()
    prepare(folder)
    print(
        "==> Running campaign.py: SMILES -> boxes -> xTB labels -> training -> MD -> ...",
        flush=True,
    )
    call([sys.executable, "campaign.py"], folder)
    call(["git", "add", "--all"], folder)
    if subprocess.run(["git", "diff", "--cached", "--quiet"], cwd=folder, check=False).returncode:
        call(["git", "commit", "--quiet", "--message", "Campaign"], folder)
    model = sorted(p.parent for p in folder.glob("outs/learn/*/TrainPotential"))[-1].name
    print(
        f"\n==> Done in {time.perf_counter() - start:.0f} s. Load any result of any revision, e.g."
    )
    print(
        f'    python -c "import zn_pipeline as zn; print(zn.from_rev('
        f"'learn/{model}/EvaluatePotential', remote='{folder}', rev='HEAD').metrics)\""
    )
    print(f"    dvc plots show   (in {folder})")


if __name__ == "__main__":
    main()
