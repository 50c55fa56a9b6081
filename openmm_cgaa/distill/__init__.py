"""From molecules to a tested model: plan, stages, verdict and report. What a stage does is elsewhere."""
