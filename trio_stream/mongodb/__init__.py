"""Documents of a MongoDB database, as its tools write them to files."""
