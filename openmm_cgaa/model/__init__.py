"""A trained model: its file, the evaluator of a topology, the checks of what it is given. It knows no engine."""
