"""Arrays in, arrays out: the numerics behind the nodes.

Nothing here knows of nodes, graphs or files of frames. The map, from the ground up::

    units         physical constants in eV, Angstrom, atomic mass units
    elements      masses and covalent radii by atomic number
    multiplicities
                  ground-state spins of free atoms
    lattices      short bases and nearly cubic supercells; on them stand voids,
    voids, crystal_symmetry, random_crystals
                  the empty space of crystals, their rotations, random ones
    normal_modes  harmonic vibrations of molecules and crystals
    structures    Structure, the seam to the outside: plain NumPy arrays
    storage       atomic npz and JSON files of nested arrays
    selftest      check_backend(): is this build of JAX to be trusted?
    neighbors/    who is near whom: exact host lists, device lists with a skin
    descriptors   features of atoms without a trained model
    selection/    which structures to label next: farthest points, MaxDet, LCMD, k-means++,
                  leverage scores, even spacing, chance; kernels and random projections
    histogram, hull, embeddings
                  flat histograms, the lower convex hull, maps of many features
    uncertainty   are standard deviations as large as errors? reliability, factors
    potentials/   EnergyModel: Gaussian moments, shallow ensemble, corrections
    biases/       what drives or calibrates a potential: uncertainty, walls, acceleration
    fit/          fit(): from labelled structures to parameters, resumable
    md/           run_md(), run_replicas(): dynamics of many ensembles in one compiled loop
    relax/        relax_many(): structures and cells, many in one compiled loop
    feature_maps  features of structures by a trained model: gradients by its weights
    duplicates    equal structures, wherever they lie
    statistics    error measures and their uncertainties

Packages import only packages above them in this list. JAX is imported here and nowhere else
in ``nodes``, so import these modules inside ``run()``.
"""
