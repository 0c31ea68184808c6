"""What the workspace defines, in SQLite: `build` writes it in a process of its own, `symbols` reads it."""
