"""Names of other worlds: what libraries call the layers of our models, as data in `specs/names`."""
