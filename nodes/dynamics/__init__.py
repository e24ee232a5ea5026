"""Nodes that move atoms in time.

Nodes
    JaxMD   molecular dynamics with a trained potential, compiled, stopped when it is unsure
    AseMD   molecular dynamics of many structures with any calculator
Specs (give one to AseMD's ``integrator``, any number to its ``checks``)
    Verlet, Langevin, VelocityRescaling, BerendsenNPT, MtkNPT
    NotFinite, MaxTemperature, MaxForce, MinDistance, EnergyDrop, EnergyJump, MaxUncertainty
Functions of one structure
    RunMD   one trajectory, that goes on after it was killed
"""
