"""The node library: steps of a workflow around machine-learned potentials.

Every name below is ``nodes.<Name>`` and is imported when it is first used.

============  ==========================================================================
structures    BuildConformers, PackBox, BuildIsolatedAtoms, BuildDimers, BuildBulk,
              BuildSupercells, BuildSurface, BuildSurfaces, BuildVacancies, BuildAntisites,
              BuildInterstitials, BuildRandomCrystals, RattleStructures, StrainStructures,
              SampleNormalModes, BuildPhononDisplacements, FitPhonons, MinimaHopping,
              LoadFrames, SplitFrames
reference     LabelFrames; specs Emt, LennardJones, Xtb, Gpaw, Cp2k, QuantumEspresso, Orca, Vasp,
              Committee, AseCalculator
selection     DescribeFrames, SelectRandom, SelectUniform, SelectByIndex, SelectByFunction,
              SelectFarthestPoints, SelectMaxDet, SelectLCMD, SelectKMeansPlusPlus,
              SelectByThreshold, SelectCUR, SelectFlatHistogram, SelectConvexHull;
              specs GaussianMoments, Soap, DistanceHistogram, StoredFeatures, Predicate,
              LastLayerFeatures, ForceFeatures, GradientFeatures, EnsembleFeatures
training      TrainPotential, CalibrateUncertainty, ImportApax; specs Loss, Optimizer, Transfer,
              Constant, Linear, CyclicCosine, WarmupCosine, Plateau, Regression,
              MeanAtomEnergy, ElementEnergies, ForceRms, EnergyRms, GlobalScale, ElementScales
dynamics      JaxMD, AseMD, RunMD; specs Verlet, Langevin, VelocityRescaling, BerendsenNPT,
              MtkNPT, NotFinite, MaxTemperature, MaxForce, MinDistance, EnergyDrop,
              EnergyJump, MaxUncertainty
relaxation    RelaxStructures, JaxRelax, NudgedElasticBand, Relax, RelaxBand
analysis      EvaluatePotential, ErrorTable, PlotParity, PlotLearningCurve, PlotSelection,
              ReportLeakage
============  ==========================================================================

A node checks its inputs, calls plain array code in ``nodes.numerics`` and keeps the result.
Structures that a node makes are its ``frames``. Energies are in eV, lengths in Angstrom;
every other unit stands in the name of the parameter.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
