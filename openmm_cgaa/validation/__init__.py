"""What a model's simulations do beside its teacher, row by row, for any system that a YAML file describes.

A row is one class, in a file of its own: what it measures, its tables, its figure, and the bar that it must meet.
A single run that has no description is not looked at here (`analysis`), nor are errors on data sets (`training`).
"""
