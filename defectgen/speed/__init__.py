"""How fast the product's own code runs on this machine, and how fast it could."""
