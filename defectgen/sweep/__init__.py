"""Parts of `defectgen sweep`: every cell of the design table on the same plan, beside its neighbours."""
