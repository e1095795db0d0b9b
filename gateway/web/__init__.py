"""Flask: one module per URL family; ``routes`` lists all URLs."""
