"""Names that other libraries have for the layers of our models, as data in `specs/name_maps`."""
