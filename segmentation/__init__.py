"""The one U-Net harness: train, predict, score. It cannot learn which generator made its input."""
