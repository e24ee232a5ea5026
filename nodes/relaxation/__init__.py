"""Nodes that bring atoms to rest.

Nodes
    RelaxStructures     structures, and their cells if asked for, to the next minimum
    JaxRelax            the same, many at once with a trained potential
    NudgedElasticBand   paths between two minima, and the barrier on them
Functions of one item
    Relax               one structure
    RelaxBand           the images of one path
Both go on after they were killed.
"""
