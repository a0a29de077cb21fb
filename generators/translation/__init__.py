"""Unpaired translation between pictures of label maps and images: what `cyclegan` is made of."""
