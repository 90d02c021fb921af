"""Procedural surfaces and defects with exact masks: the demo product and the prior's teacher."""
