"""Building and running consensus engines."""
