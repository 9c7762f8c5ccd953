"""Who may be champion: promote, roll back, adopt, retire, sign, verify."""
