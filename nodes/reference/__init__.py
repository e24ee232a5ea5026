"""Reference energies and forces.

Specs (give one to a node's ``calculator``)
    Emt, LennardJones, Xtb, AseCalculator
Nodes
    LabelFrames : compute properties of structures with any spec or trained model
"""
