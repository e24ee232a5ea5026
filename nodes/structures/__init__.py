"""Nodes that make, read, deform and split structures.

========================  =====================================================
BuildConformers           conformers of molecules from SMILES
PackBox                   periodic boxes of molecules at a given density
BuildIsolatedAtoms        free atoms in their ground states
BuildDimers               all pairs of elements over a range of bond lengths
BuildBulk                 a crystal
BuildSupercells           the largest nearly cubic cells of crystals
BuildSurface              slabs of a crystal
BuildSurfaces             slabs of all orientations
BuildVacancies            crystals with missing atoms
BuildAntisites            crystals with exchanged atoms
BuildInterstitials        crystals with additional atoms
BuildRandomCrystals       random sensible crystals of a composition
RattleStructures          Gaussian displacements of the atoms
StrainStructures          strained cells
SampleNormalModes         thermal displacements along the vibrations
BuildPhononDisplacements  supercells with one displaced atom
FitPhonons                force constants, phonons, thermal properties
MinimaHopping             minima of the energy around given structures
LoadFrames                structures from a file
SplitFrames               disjoint training, validation and test sets
========================  =====================================================

Whatever makes structures gives them as ``frames``; join two by ``a.frames + b.frames``.
"""
