"""What is done to echobench to break it: long, seeded, and repeated by hand (`make campaign`)."""
