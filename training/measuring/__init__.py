"""Measurements along the product's own path, and what follows from them."""
