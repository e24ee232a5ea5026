"""Nodes that train models.

Nodes
    TrainPotential         a neural network potential, from energies, forces and further labels
    CalibrateUncertainty   the spread of its ensemble, scaled to its errors
    ImportApax             a model that apax trained
Specs (give them to TrainPotential)
    Loss                   one of `losses`
    Optimizer              `optimizer`, whose schedule is one of
                           Constant, Linear, CyclicCosine, WarmupCosine, Plateau
    Regression, MeanAtomEnergy, ElementEnergies
                           `shift`: where reference energies come from
    ForceRms, EnergyRms, GlobalScale, ElementScales
                           `scale`: how large the learned energies are
    Transfer               `transfer`: what to take from `initial_model`
"""
