"""Write ``dvc.yaml.example``: the ``dvc.yaml`` of 04_train_and_evaluate.py, built and not run.

Run it after a change of the generator: ``python examples/write_dvc_yaml_example.py``.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "04_train_and_evaluate.py"
HEADER = f"""\
# The dvc.yaml that `zn-pipeline build {SCRIPT.name}` writes: plain DVC, nothing to edit by hand.
# Written by examples/write_dvc_yaml_example.py.
"""


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "dvc.yaml.example"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zn_pipeline.cli", "build", str(SCRIPT)]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        text = (Path(folder) / "dvc.yaml").read_text(encoding="utf-8")
    target.write_text(HEADER + text, encoding="utf-8")
    print(f"written: {target}")


if __name__ == "__main__":
    main()
