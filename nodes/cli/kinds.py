"""The two kinds of config files."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodes.schema.section import Section

__all__ = ["Kind", "example_of", "section_of"]


class Kind(StrEnum):
    """What a config file is for."""

    TRAIN = "train"
    MD = "md"


def section_of(kind: Kind) -> "type[Section]":
    """Return the schema of a kind."""
    from nodes.dynamics.config.md import MdConfig
    from nodes.training.config.train import TrainConfig

    return TrainConfig if kind is Kind.TRAIN else MdConfig


def example_of(kind: Kind) -> "Section":
    """Return a short example."""
    example: dict[str, Any] = {
        "duration": 10_000.0,
        "initial_structure": "start.xyz",
        "ensemble": {
            "name": "nvt",
            "dt": 0.5,
            "temperature_schedule": {"name": "constant", "T0": 300.0},
        },
    }
    if kind is Kind.TRAIN:
        example = {
            "n_epochs": 200,
            "data": {
                "directory": "models",
                "experiment": "first",
                "data_path": "data.xyz",
                "n_train": 1000,
                "n_valid": 100,
                "batch_size": 8,
            },
            "model": {"name": "gmnn", "basis": {"name": "bessel", "n_basis": 16, "r_max": 5.0}},
            "loss": [
                {"name": "energy", "weight": 1.0},
                {"name": "forces", "weight": 4.0},
            ],
        }
    return section_of(kind).model_validate(example)
