"""What `bench/hostile.py` is made of: damaged files, and a watch over those who read them."""
