"""Fine-tuning a network: recipes, data, sampling, augmentation, the loop."""
