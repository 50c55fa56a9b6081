"""Every conversion factor of the project. Inside the network: Å, eV. At OpenMM's border: nm, kJ/mol."""

from math import pi

ANGSTROM_PER_NM = 10.0
KJ_PER_KCAL = 4.184  # thermochemical
KJMOL_PER_EV = 96.48533212331002  # N_A e / 1000, exact SI values of 2019 (CODATA 2018)

KJMOL_PER_NM_PER_EV_PER_ANGSTROM = KJMOL_PER_EV * ANGSTROM_PER_NM
GPA_PER_EV_PER_ANGSTROM3 = 160.21766339999998  # e * 1e30 / 1e9
MPA_PER_EV_PER_ANGSTROM3 = 1e3 * GPA_PER_EV_PER_ANGSTROM3
BAR_PER_MPA = 10.0
BAR_PER_EV_PER_ANGSTROM3 = GPA_PER_EV_PER_ANGSTROM3 * 1e4
G_PER_CM3_PER_DALTON_PER_ANGSTROM3 = 1.66053906892  # CODATA 2022, atomic mass constant in g * 1e24
BOLTZMANN_EV = 8.617333262145179e-05  # eV/K
BOLTZMANN_KJMOL = BOLTZMANN_EV * KJMOL_PER_EV  # kJ/mol/K
JOULE_PER_EV = 1.602176634e-19  # exact
S_PER_M_PER_PS_NM_EV = 160.2176634  # e^2 nm^2/ps over nm^3 and eV, in S/m: e * 1e21, exact
PS_PER_AKMA = 0.04888821  # CHARMM's unit of time, in which DCD files have their step; as OpenMM writes it
M2_PER_S_PER_NM2_PER_PS = 1e-6
MPA_S_PER_MPA2_PS_NM3_EV = 1e-24 / JOULE_PER_EV  # MPa^2 ps nm^3 over eV, in millipascal seconds
PA_S_PER_MPA_S = 1e-3  # of viscosities: millipascal seconds
WAVENUMBER_PER_THZ = 33.35640951981521  # 1/c, exact: 1/cm per 1e12/s
# sqrt(eV/Å^2/Da), an angular frequency, in 1/cm: kJ/mol/Da is (nm/ps)^2
WAVENUMBER_PER_MODE = (KJMOL_PER_EV * ANGSTROM_PER_NM**2) ** 0.5 / (2.0 * pi) * WAVENUMBER_PER_THZ
