"""Lists of every service: bounds of a query, the order of rows, pages behind a marker, filters by tags."""
