"""What is measured of finished runs beside their scores."""
