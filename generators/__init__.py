"""One module per competitor: each a class with `fit` and `sample`."""
