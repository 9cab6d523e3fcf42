"""ISMRMRD (MRD version 1) raw data, in and out, through the bulk interface of the ismrmrd package.

Lengths in a file are millimetres, times milliseconds or microseconds, angles degrees, directions and positions those
of DICOM (LPS): +x to the patient's left, +y to the back. Trajectories are in cycles per encoded field of view, so that
a Cartesian row runs from -n/2 to n/2 - 1.
"""

from __future__ import annotations

from .read import read_mrd
from .write import write_mrd

__all__ = ["read_mrd", "write_mrd"]
