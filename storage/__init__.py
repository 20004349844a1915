"""What is kept: the interaction event, its tables, outbox, Redis stream and questions over them."""
