"""What the auditor reads by: keys, heads, the store's files, the price of looks; none of Pawl's."""
