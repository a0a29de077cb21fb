"""The whole flow: the command line and the pipeline behind it."""
