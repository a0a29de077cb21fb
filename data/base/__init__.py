"""What everything stands on, free of torch: errors, progress, files that are whole or not there."""
