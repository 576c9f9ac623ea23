"""How faithful integers are to float: bits, steps, circuits, sparsity, strange images, speed."""
