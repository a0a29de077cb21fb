"""How real drawn images are: distances to real ones, adherence to the map, memorisation, diversity."""
