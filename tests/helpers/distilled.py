"""What was measured of liquids that were distilled by hand, as a verdict takes it. Forces in eV/Å, of 0.81 in DME."""

RMS = 0.81  # eV/Å per component, of DME's forces; acetonitrile's is taken to be the same


def on_boxes(key, force, net_force, **more):
    """Of frames of one kind: the numbers under their names."""
    found = {"force": force, "force_relative": force / RMS, "net_force": net_force} | more
    return {f"{key}_{name}": value for name, value in found.items()}


RAN = {"temperature": 300.0, "pressure": 1.0, "hottest": 400.0, "stable_ps": 40.0, "wanted_ps": 40.0}
DME_FIRST = (
    on_boxes("test", 0.080, 0.36, torque=0.40, energy=0.90)
    | on_boxes("own_nvt", 0.107, 0.44, mean_energy=-3.9, pressure=-80.0)
    | {**RAN, "drift": -0.003, "drift_error": 0.002, "largest_stretch": 0.18}
)
DME_SECOND = (
    on_boxes("test", 0.061, 0.33, torque=0.38, energy=0.82)
    | on_boxes("own_nvt", 0.072, 0.31, mean_energy=-0.27, pressure=15.0)
    | {**RAN, "drift": -0.001, "drift_error": 0.002, "largest_stretch": 0.18}
    | {"density": 0.904, "density_error": 0.012, "density_low": 0.80, "density_high": 0.95}
)
DME_GOOD = (
    on_boxes("test", 0.046, 0.235, torque=0.26, energy=0.23)
    | on_boxes("own_nvt", 0.055, 0.22, mean_energy=0.0, pressure=-4.0)
    | {**RAN, "drift": -0.006, "drift_error": 0.003, "largest_stretch": 0.18}
)
NOT_RUN_BY_HAND = (  # of DME's good model: what runs of the usual length give
    on_boxes("own_npt", 0.057, 0.23, mean_energy=-0.05, mean_energy_error=0.1, pressure=-6.0, pressure_error=4.0)
    | {"drift": -0.001, "drift_error": 0.0005, "density_teacher_pressure": 5.0, "density_teacher_pressure_error": 4.0}
    | {"density": 0.905, "density_error": 0.004, "density_low": 0.78, "density_high": 1.01}
    | {"temperatures": {"translation": [302.0, 4.0], "rotation": [299.0, 4.0], "vibration": [300.5, 1.0]}}
    | {"wandered": 0.67, "rdf_difference": {"O-H": [0.03, 0.02], "O-O": [0.02, 0.01]}}
    | {"test_force_curve": 0.045, "committee_force": 0.032}
)
DME = DME_GOOD | NOT_RUN_BY_HAND
ACETONITRILE_FIRST = on_boxes("test", 0.099, 1.24, energy=1.0) | on_boxes("own_nvt", 0.099, 1.24) | RAN
ACETONITRILE_SECOND = (
    on_boxes("test", 0.052, 0.29, energy=0.7)
    | on_boxes("own_nvt", 0.052, 0.29, mean_energy=-1.4, pressure=35.0)
    | {"own_npt_net_force": 0.65, "own_npt_mean_energy": -7.2, **RAN}
    | {"density": 0.609, "density_error": 0.009, "density_low": 0.72, "density_high": 0.95}
)
ACETONITRILE_THIRD = (
    on_boxes("test", 0.047, 0.34, energy=2.1)
    | {"own_npt_net_force": 0.31, "own_npt_mean_energy": -2.3, **RAN}
    | {"density": 0.702, "density_error": 0.008, "density_low": 0.60, "density_high": 0.95}
)
ACETONITRILE_GOOD = (
    on_boxes("test", 0.029, 0.17, energy=0.23)
    | {"own_npt_net_force": 0.19, "own_npt_mean_energy": -0.02, "own_npt_pressure": 11.0, **RAN}
    | {"density": 0.848, "density_error": 0.002, "density_low": 0.60, "density_high": 0.95}
)
