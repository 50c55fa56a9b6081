"""Molecules from SMILES or files, boxes of them, and a classical force field that relaxes and samples."""
