from .analysis.evaluation import EvaluatePotential
from .analysis.learning_curve import PlotLearningCurve
from .analysis.parity import PlotParity
from .dynamics.molecular_dynamics import JaxMD
from .reference.calculators import AseCalculator, Emt, LennardJones, Xtb
from .reference.labelling import LabelFrames
from .selection.features import DistanceHistogram
from .selection.subsets import SelectFarthestPoints, SelectRandom, SelectUniform
from .structures.conformers import BuildConformers
from .structures.crystals import BuildBulk, BuildSurface
from .structures.deformation import RattleStructures, StrainStructures
from .structures.files import LoadFrames
from .structures.packing import PackBox
from .structures.splitting import SplitFrames
from .training.potential import TrainPotential

__all__ = [
    "AseCalculator",
    "BuildBulk",
    "BuildConformers",
    "BuildSurface",
    "DistanceHistogram",
    "Emt",
    "EvaluatePotential",
    "JaxMD",
    "LabelFrames",
    "LennardJones",
    "LoadFrames",
    "PackBox",
    "PlotLearningCurve",
    "PlotParity",
    "RattleStructures",
    "SelectFarthestPoints",
    "SelectRandom",
    "SelectUniform",
    "SplitFrames",
    "StrainStructures",
    "TrainPotential",
    "Xtb",
]
