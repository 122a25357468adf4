"""What is typed in a shell: one module per command."""
