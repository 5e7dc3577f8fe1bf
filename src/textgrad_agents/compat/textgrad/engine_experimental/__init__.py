"""TextGrad's newer engines."""
