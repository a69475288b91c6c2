"""Ways of loading: one module a family, each with one function `load(folder, parameters) -> embed`."""
