"""Datasets on disk become frames: a reader per layout."""
