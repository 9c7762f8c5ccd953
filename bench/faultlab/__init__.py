"""What `bench/faults.py` is made of: kills, a hammered ledger, servers and networks that fail."""
