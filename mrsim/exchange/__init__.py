"""Other programs' formats: Pulseq sequences and ISMRMRD raw data, in and out."""
