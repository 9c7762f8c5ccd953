"""Data room: what goes in is read strictly, checked, and split so that held-out stays held out."""
