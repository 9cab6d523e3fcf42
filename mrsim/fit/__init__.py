"""Signal models, fitting and Fisher information: from images to maps, blind to phantom and sequence."""
