"""LDP's names over ours, for running its tests: imports, and what its tests ask of objects beside that (`shims`)."""
