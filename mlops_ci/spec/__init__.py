"""Reads specs: YAML files, validated, as frozen values with the places of their fields."""
