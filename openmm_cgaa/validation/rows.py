"""Every kind of row by its name; a new one joins here."""

from .accuracy import Along, TeacherLiquid
from .asymmetry import Jacobian
from .committee import Spread
from .conservation import Drift
from .distributions import Distributions
from .lengths import Bonds
from .motions import MotionTemperatures
from .outside import Mistakes
from .pressure import Pressure
from .respa import Respa
from .scans import VacuumScans
from .stability import Stability
from .transport import Transport
from .vibrations import Spectrum

ROW_KINDS = {
    "drift": Drift,
    "jacobian": Jacobian,
    "temperatures": MotionTemperatures,
    "stability": Stability,
    "along": Along,
    "spread": Spread,
    "teacher_liquid": TeacherLiquid,
    "rdf": Distributions,
    "pressure": Pressure,
    "molecules": VacuumScans,
    "bonds": Bonds,
    "spectrum": Spectrum,
    "transport": Transport,
    "respa": Respa,
    "mistakes": Mistakes,
}
