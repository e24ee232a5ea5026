"""Nodes that train models.

TrainPotential   a neural network potential with an ensemble, from energies and forces
"""
