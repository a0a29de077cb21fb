"""One run: settings, stages, the pipeline."""
