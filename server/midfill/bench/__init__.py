"""`midfill bench`: how fast suggestions and edits are, measured through the real server as an editor uses it."""
