"""Places where a model's code can run; each module knows how to start a worker in one of them."""
