"""Building and running real chains: `simd`, the example application of the Cosmos SDK."""
