"""What a run costs: activity, energy proxies, processors, NeuroBench's metrics."""
