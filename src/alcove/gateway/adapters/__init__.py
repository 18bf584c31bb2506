"""What the gateway speaks to: model servers, the built-in reader, the price list."""
