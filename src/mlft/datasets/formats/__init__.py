"""The formats that rows are read from and written to, each with `read(file, hints)` and `write(folder, stem, part)`."""
