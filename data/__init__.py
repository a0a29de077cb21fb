"""Datasets on disk become `Frames`; label maps are deformed; nothing here knows a generator or a network."""
