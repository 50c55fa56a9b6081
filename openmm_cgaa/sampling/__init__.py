"""Trajectories by plan: which molecules, moved by what, cut from what. Labels are made elsewhere."""
