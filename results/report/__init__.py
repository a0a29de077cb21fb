"""A comparison as one page: the answer, the tables and figures behind it, and the record behind every number."""
