"""Many runs of one plan: replicas, sweeps, exchange of temperatures, one report. What a run is stands elsewhere."""
