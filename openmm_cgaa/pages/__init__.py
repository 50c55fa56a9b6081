"""HTML pages that are one file each: their look, and their figures as SVG. What they say is told elsewhere."""
