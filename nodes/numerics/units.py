"""Physical constants in the units of this library: eV, Angstrom, atomic mass units, K.

The derived unit of time is Angstrom * sqrt(u / eV), about 10.18 fs, which is also ASE's.
Sources: CODATA 2018. The first three are exact by the definition of the SI.
"""

from __future__ import annotations

import math

ELEMENTARY_CHARGE_C = 1.602176634e-19
BOLTZMANN_J_PER_K = 1.380649e-23
AVOGADRO_PER_MOL = 6.02214076e23
ATOMIC_MASS_KG = 1.66053906660e-27
VACUUM_PERMITTIVITY_F_PER_M = 8.8541878128e-12

KB = BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C
"""Boltzmann constant, eV/K."""

FS = 1e-15 / (1e-10 * math.sqrt(ATOMIC_MASS_KG / ELEMENTARY_CHARGE_C))
"""One femtosecond in units of time."""

PS = 1000.0 * FS
"""One picosecond in units of time."""

GPA = 1e9 * 1e-30 / ELEMENTARY_CHARGE_C
"""One gigapascal, eV/Angstrom^3."""

KCAL_PER_MOL = 4184.0 / AVOGADRO_PER_MOL / ELEMENTARY_CHARGE_C
"""One kcal/mol, eV."""

GRAM_PER_CM3 = 1e-3 / ATOMIC_MASS_KG * 1e-24
"""One g/cm^3, u/Angstrom^3."""

COULOMB = ELEMENTARY_CHARGE_C / (4.0 * math.pi * VACUUM_PERMITTIVITY_F_PER_M) * 1e10
"""Coulomb energy of two unit charges at 1 Angstrom, 14.3996 eV * Angstrom."""
