"""What happens once scores exist: the record of a run, tables, figures."""
