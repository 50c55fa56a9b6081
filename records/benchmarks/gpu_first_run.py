"""The first run of the kernels for CUDA on a GPU: are they right, then how fast. One stage after the other, resumable.

    python records/benchmarks/gpu_first_run.py OUTPUT.json [--device cuda] [--minutes 12] [--models NAME_OR_FILE ...]

Each stage is a process of its own with a limit of time. What it found is in OUTPUT.json when it ends, with the machine
and the versions; a stage that is there already is not run again. Nothing is timed before the numbers are right.
On a CPU (``--device cpu``) the same is done by the kernels' twin, on small systems: to try the script itself.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import gpu_stages

CORRECT = ("numbers", "tests")  # without which no time is taken
STAGES = (*CORRECT, "bare", "launches", "inside_openmm", "potential", "classical", "teacher", "drift", "laws")
STAGES += ("memcheck", "captured", "torchforce", "nvt", "skins", "training")
LIMIT = 300.0  # s, of a stage


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="JSON file; what is in it already is kept")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script")
    parser.add_argument("--minutes", type=float, default=12.0, help="time for all stages together")
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES, help="which of them")
    parser.add_argument("--models", nargs="+", default=gpu_stages.MODELS, help="names or files; most stages: the first")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    gpu_stages.MODELS = tuple(args.models)
    if args.stage:
        print(json.dumps(getattr(gpu_stages, args.stage)(args.device)))
        return 0
    end = time.monotonic() + 60.0 * args.minutes
    found = json.loads(args.output.read_text("utf-8")) if args.output.exists() else {}
    found.setdefault("machine", gpu_stages.machine(args.device))
    for stage in args.stages:
        if "error" not in found.get(stage, {"error": "not run"}):
            continue
        left = min(LIMIT, end - time.monotonic())
        if left < 5.0:
            print(f"{stage}: no time left; start again with the same file and it goes on there")
            return 3
        begin = time.monotonic()
        found[stage] = attempt(args, stage, left)
        found[stage]["seconds"] = round(time.monotonic() - begin, 1)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        beside = args.output.with_suffix(".part")
        beside.write_text(json.dumps(found, indent=1), "utf-8")
        beside.replace(args.output)
        print(f"{stage}: {json.dumps(found[stage])}", flush=True)
        if stage in CORRECT and not found[stage].get("right"):
            print(f"{stage}: the numbers are not right, and nothing is timed")
            return 1
    return 0


def attempt(args, stage, seconds):
    """What a stage prints in its last line, or why there is none."""
    command = [sys.executable, __file__, str(args.output), "--device", args.device, "--stage", stage]
    command += ["--models", *args.models]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"error": f"longer than {seconds:.0f} s"}
    if done.returncode:
        return {"error": done.stderr.strip()[-1500:]}
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
