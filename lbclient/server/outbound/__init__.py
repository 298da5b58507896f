"""Messages that the server sends by itself: webhooks and forwarded traffic logs."""
