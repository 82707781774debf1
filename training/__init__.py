"""Recipes, data and measurements behind a checkpoint."""
