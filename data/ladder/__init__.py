"""Label maps that no training set holds: named deformations of a map by a severity, each held to what it claims."""
