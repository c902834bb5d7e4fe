"""Classes of pictures: prepared as a recipe or a model says, by an installed backend or by the referee."""
