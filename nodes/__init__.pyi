from .analysis.error_table import ErrorTable
from .analysis.evaluation import EvaluatePotential
from .analysis.leakage import ReportLeakage
from .analysis.learning_curve import PlotLearningCurve
from .analysis.parity import PlotParity
from .analysis.selection_map import PlotSelection
from .dynamics.ase_dynamics import AseMD
from .dynamics.checks import (
    EnergyDrop,
    EnergyJump,
    MaxForce,
    MaxTemperature,
    MaxUncertainty,
    MinDistance,
    NotFinite,
)
from .dynamics.integrators import BerendsenNPT, Langevin, MtkNPT, VelocityRescaling, Verlet
from .dynamics.molecular_dynamics import JaxMD
from .dynamics.trajectory import RunMD
from .reference.calculators import AseCalculator, Emt, LennardJones, Xtb
from .reference.committee import Committee
from .reference.cp2k import Cp2k
from .reference.espresso import QuantumEspresso
from .reference.gpaw import Gpaw
from .reference.labelling import LabelFrames
from .reference.orca import Orca
from .reference.vasp import Vasp
from .relaxation.band import RelaxBand
from .relaxation.elastic_band import NudgedElasticBand
from .relaxation.jax_relax import JaxRelax
from .relaxation.relax import Relax
from .relaxation.structures import RelaxStructures
from .selection.batches import SelectKMeansPlusPlus, SelectLCMD, SelectMaxDet
from .selection.cur import SelectCUR
from .selection.describing import DescribeFrames
from .selection.distribution import SelectConvexHull, SelectFlatHistogram
from .selection.features import DistanceHistogram, GaussianMoments, StoredFeatures
from .selection.model_features import (
    EnsembleFeatures,
    ForceFeatures,
    GradientFeatures,
    LastLayerFeatures,
)
from .selection.rules import Predicate, SelectByFunction, SelectByIndex
from .selection.soap import Soap
from .selection.subsets import SelectFarthestPoints, SelectRandom, SelectUniform
from .selection.uncertainty import SelectByThreshold
from .structures.conformers import BuildConformers
from .structures.crystals import BuildBulk, BuildSurface
from .structures.defects import BuildAntisites, BuildVacancies
from .structures.deformation import RattleStructures, StrainStructures
from .structures.dimers import BuildDimers, BuildIsolatedAtoms
from .structures.files import LoadFrames
from .structures.interstitials import BuildInterstitials
from .structures.minima_hopping import MinimaHopping
from .structures.normal_modes import SampleNormalModes
from .structures.packing import PackBox
from .structures.phonons import BuildPhononDisplacements, FitPhonons
from .structures.random_crystals import BuildRandomCrystals
from .structures.splitting import SplitFrames
from .structures.supercells import BuildSupercells
from .structures.surfaces import BuildSurfaces
from .training.apax_import.node import ImportApax
from .training.calibration import CalibrateUncertainty
from .training.potential import TrainPotential
from .training.settings import (
    Constant,
    CyclicCosine,
    ElementEnergies,
    ElementScales,
    EnergyRms,
    ForceRms,
    GlobalScale,
    Linear,
    Loss,
    MeanAtomEnergy,
    Optimizer,
    Plateau,
    Regression,
    Transfer,
    WarmupCosine,
)

__all__ = [
    "AseCalculator",
    "AseMD",
    "BerendsenNPT",
    "BuildAntisites",
    "BuildBulk",
    "BuildConformers",
    "BuildDimers",
    "BuildInterstitials",
    "BuildIsolatedAtoms",
    "BuildPhononDisplacements",
    "BuildRandomCrystals",
    "BuildSupercells",
    "BuildSurface",
    "BuildSurfaces",
    "BuildVacancies",
    "CalibrateUncertainty",
    "Committee",
    "Constant",
    "Cp2k",
    "CyclicCosine",
    "DescribeFrames",
    "DistanceHistogram",
    "ElementEnergies",
    "ElementScales",
    "Emt",
    "EnergyDrop",
    "EnergyJump",
    "EnergyRms",
    "EnsembleFeatures",
    "ErrorTable",
    "EvaluatePotential",
    "FitPhonons",
    "ForceFeatures",
    "ForceRms",
    "GaussianMoments",
    "GlobalScale",
    "Gpaw",
    "GradientFeatures",
    "ImportApax",
    "JaxMD",
    "JaxRelax",
    "LabelFrames",
    "Langevin",
    "LastLayerFeatures",
    "LennardJones",
    "Linear",
    "LoadFrames",
    "Loss",
    "MaxForce",
    "MaxTemperature",
    "MaxUncertainty",
    "MeanAtomEnergy",
    "MinDistance",
    "MinimaHopping",
    "MtkNPT",
    "NotFinite",
    "NudgedElasticBand",
    "Optimizer",
    "Orca",
    "PackBox",
    "Plateau",
    "PlotLearningCurve",
    "PlotParity",
    "PlotSelection",
    "Predicate",
    "QuantumEspresso",
    "RattleStructures",
    "Regression",
    "Relax",
    "RelaxBand",
    "RelaxStructures",
    "ReportLeakage",
    "RunMD",
    "SampleNormalModes",
    "SelectByFunction",
    "SelectByIndex",
    "SelectByThreshold",
    "SelectCUR",
    "SelectConvexHull",
    "SelectFarthestPoints",
    "SelectFlatHistogram",
    "SelectKMeansPlusPlus",
    "SelectLCMD",
    "SelectMaxDet",
    "SelectRandom",
    "SelectUniform",
    "Soap",
    "SplitFrames",
    "StoredFeatures",
    "StrainStructures",
    "TrainPotential",
    "Transfer",
    "Vasp",
    "VelocityRescaling",
    "Verlet",
    "WarmupCosine",
    "Xtb",
]
