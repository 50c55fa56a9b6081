"""What a step costs: models in their engines, their teachers and peers, on one box and its multiples, in one run.

Each figure is taken in a process of its own. Whether a number is right is not looked at here.
"""
