"""Forward, Black-76, implied volatility and greeks over columns."""
