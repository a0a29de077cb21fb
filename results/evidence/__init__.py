"""What records say and how far it can be trusted: pure functions of records."""
