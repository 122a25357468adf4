"""A network of several validators and daemons on one machine, to look at and to be hard on."""
