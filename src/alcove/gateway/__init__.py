"""One door to every model: deployments, routing by model id, prices, and the OpenAI-compatible face."""
