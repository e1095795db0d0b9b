"""Flask: one module per URL family; ``routes`` shows the whole surface."""
