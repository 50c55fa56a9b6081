"""The bonds of bead-spring chains, which several systems have."""

import openmm


def fene_bonds() -> openmm.CustomBondForce:
    """FENE with the repulsion of bonded beads; bonds take ``k``, ``longest``, ``sigma`` and ``depth``.

    -k/2 longest^2 ln(1 - (r/longest)^2) + 4 depth ((sigma/r)^12 - (sigma/r)^6) + depth, the latter below
    2^(1/6) sigma (K. Kremer and G. S. Grest, J. Chem. Phys. 92, 5057 (1990)). Beyond 0.99 of the longest, where only a
    minimiser comes, a parabola goes on with the slope that it has there.
    """
    bonds = openmm.CustomBondForce(
        "-0.5*k*longest^2*log(max(1-(r/longest)^2,0.0199)) + k*beyond*(49.749*longest+333*beyond) + "
        "step(2^(1/6)*sigma-r)*depth*(4*((sigma/r)^12-(sigma/r)^6)+1); beyond=max(0,r-0.99*longest)"
    )
    for name in ("k", "longest", "sigma", "depth"):
        bonds.addPerBondParameter(name)
    return bonds
