"""Records to tables, markdown and pages; computes nothing."""
