"""Small files of the formats of the field."""
