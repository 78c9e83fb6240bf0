"""The command line: what people type, and what scripts read. One module per group of commands, loaded when used."""
