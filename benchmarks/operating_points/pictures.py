def pictures(*a): pass
