"""The parts of the report page: what was measured, the charts, the picture sheets, the template."""
