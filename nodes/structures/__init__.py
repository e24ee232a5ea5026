"""Nodes that make, read, deform and split structures.

===================  ==========================================================
BuildConformers      conformers of a molecule from SMILES
PackBox              periodic boxes of molecules at a given density
BuildBulk            a crystal
BuildSurface         slabs of a crystal
RattleStructures     Gaussian displacements of the atoms
StrainStructures     strained cells
LoadFrames           structures from a file
SplitFrames          disjoint training, validation and test sets
===================  ==========================================================

Whatever makes structures gives them as ``frames``; join two by ``a.frames + b.frames``.
"""
