"""The node library: steps of a workflow around machine-learned potentials.

Every name below is ``nodes.<Name>`` and is imported when it is first used.

============  ==========================================================================
structures    BuildConformers, PackBox, BuildBulk, BuildSurface, RattleStructures,
              StrainStructures, LoadFrames, SplitFrames
reference     LabelFrames; specs Emt, LennardJones, Xtb, AseCalculator
selection     SelectRandom, SelectUniform, SelectFarthestPoints; spec DistanceHistogram
training      TrainPotential
dynamics      JaxMD
analysis      EvaluatePotential, PlotParity, PlotLearningCurve
============  ==========================================================================

A node checks its inputs, calls plain array code in ``nodes.numerics`` and keeps the result.
Structures that a node makes are its ``frames``. Energies are in eV, lengths in Angstrom;
every other unit stands in the name of the parameter.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
