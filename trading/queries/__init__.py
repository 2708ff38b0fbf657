"""Read models for pages and the API; nothing that writes imports them."""
