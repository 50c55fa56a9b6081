"""A teacher's labels distilled into a model, and its errors on data sets (extra `train`). No labels are made here."""
