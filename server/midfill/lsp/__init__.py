"""The Language Server Protocol: the only package that knows it. Handlers convert, call the core, convert back."""
