"""A seeded procedural heart seen through a simulated sector scan, written as a CAMUS-layout dataset."""
