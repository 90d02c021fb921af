"""defectgen: from a folder of real defects to a labelled data set of synthetic ones."""

__version__ = "0.1.0"
