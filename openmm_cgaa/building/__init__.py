"""Molecules from SMILES or files, boxes of them, and a generic classical force field. No dynamics beyond relaxation."""
