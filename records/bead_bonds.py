"""The bonds of bead-spring chains, which several systems have."""

import openmm


def fene_bonds() -> openmm.CustomBondForce:
    """FENE with the repulsion of bonded beads; bonds take ``k``, ``longest``, ``sigma`` and ``depth``.

    -k/2 longest^2 ln(1 - (r/longest)^2) + 4 depth ((sigma/r)^12 - (sigma/r)^6) + depth, the latter below
    2^(1/6) sigma (K. Kremer and G. S. Grest, J. Chem. Phys. 92, 5057 (1990)). Beyond 0.99 of the longest, 130 kT above
    the minimum, a parabola goes on, where a minimiser may come.
    """
    bonds = openmm.CustomBondForce(
        "-0.5*k*longest^2*log(max(1-(r/longest)^2,0.0199)) + 333*k*max(0,r-0.99*longest)^2 + "
        "step(2^(1/6)*sigma-r)*depth*(4*((sigma/r)^12-(sigma/r)^6)+1)"
    )
    for name in ("k", "longest", "sigma", "depth"):
        bonds.addPerBondParameter(name)
    return bonds
