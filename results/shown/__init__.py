"""Tables, figures and sentences, pure functions of the evidence; the published numbers."""
