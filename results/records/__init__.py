"""What runs leave on disk, written and read."""
