"""A Kite Connect look-alike on loopback: REST, a market model, replay of recorded days, faults."""
