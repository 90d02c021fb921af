"""What must hold of a source folder: one truth for `ingest`, which leaves pictures out, and `validate`, which tells."""
