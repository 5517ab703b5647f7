"""Pictures from strangers: judged, freed of all that is not the picture, shown."""
