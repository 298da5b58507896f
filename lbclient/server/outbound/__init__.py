"""What the server sends to others by itself: webhooks."""
