"""Where generators break: extreme label maps drawn by trained generators, and how far the images follow them."""
