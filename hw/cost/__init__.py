"""Cost of a run: activity, energy proxies of chips and processors, NeuroBench's metrics."""
