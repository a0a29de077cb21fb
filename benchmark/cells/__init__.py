"""Many runs: what a comparison and a sweep are made of, and how it is carried out."""
