"""Reference energies and forces.

Specs (give one to a node's ``calculator``)
    Emt, LennardJones, Xtb : in this process, from installed packages
    Gpaw : density functional theory in this process
    Cp2k, QuantumEspresso, Orca, Vasp : programs that are run in folders of their own
    Committee : mean and spread of several
    AseCalculator : any other calculator of ASE
Nodes
    LabelFrames : compute properties of structures with any spec or trained model

What the codes share: ``rundir`` (folders and what is kept of them), ``program`` (commands),
``processes`` (process groups), ``failures`` (typed errors), ``kpoints`` and ``electrons``.
"""
