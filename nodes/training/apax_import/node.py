"""The node that takes over a trained apax model."""

from pathlib import Path

from ase.data import atomic_numbers

import zn_pipeline as zn
from nodes.training.apax_import.model import load_apax_model
from nodes.training.trained import TrainedModel


class ImportApax(TrainedModel, zn.Node):
    """Take over a potential that apax 0.14 trained.

    It predicts the same energies and forces as in apax, and can stand wherever a trained model
    can. In cells so small that an atom sees its own images the numbers differ, because apax
    leaves these out. Reading the checkpoint needs tensorstore: ``pip install
    "zn-pipeline[apax]"``; apax itself is not needed.

    Parameters
    ----------
    source : directory of the trained model, with ``config.yaml`` and ``best``; a list of
        directories of one shape is a full ensemble
    elements : symbols to keep; by default all whose scale or shift was trained

    Attributes
    ----------
    directory : the saved model

    Raises
    ------
    FileNotFoundError
        If `source` is no trained model.
    ValueError
        If the model has a part that does not exist here; the message names its key.
    """

    source: Path | list[Path] = zn.deps_path()
    elements: list[str] | None = zn.params(None)
    directory: Path = zn.outs_path(zn.nwd / "model")

    def run(self) -> None:
        numbers = None if self.elements is None else _numbers(self.elements)
        model, params = load_apax_model(self.source, numbers)
        from nodes.numerics.potentials import save_model

        save_model(Path(self.directory), model, params)


def _numbers(symbols: list[str]) -> list[int]:
    unknown = [symbol for symbol in symbols if symbol not in atomic_numbers]
    if unknown or not symbols:
        raise ValueError(f"elements must be chemical symbols, received {unknown or symbols}")
    return [atomic_numbers[symbol] for symbol in symbols]
