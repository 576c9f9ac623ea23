"""Dictionaries of photographs: how soon their elements are localised and oriented."""
