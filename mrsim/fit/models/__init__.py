"""The signal models and methods, one per file, and their registry."""

from __future__ import annotations

from ...core.errors import InputError, did_you_mean
from ..inversion import Inversion
from ..inversions import INVERSIONS
from ..method import Method
from ..model import Model
from ..quantification import QUANTIFICATIONS, Quantification
from . import (
    adc_lines,
    b1_maps,
    complex_decay,
    despot1,
    diffusion_decay,
    diffusion_kurtosis,
    diffusion_tensor,
    dixon,
    fingerprinting,
    inversion_recovery,
    inversion_recovery_efficiency,
    inversion_recovery_magnitude,
    inversion_trains,
    ivim,
    kurtosis_line,
    magnetisation_transfer,
    mdme,
    mdme_epg,
    mdme_magnitude,
    saturation_recovery,
    spgr,
    spgr_epg,
    spin_echo,
    spin_echo_simple,
    t1rho,
    t2_epg,
    t2_mono,
    t2_offset,
    t2_spectrum,
    t2star_gradient,
    t2star_mono,
    t2star_offset,
    t2star_rates,
)

MODELS: tuple[Model | Method, ...] = (
    spin_echo.MODEL,
    spin_echo_simple.MODEL,
    inversion_recovery.MODEL,
    inversion_recovery_efficiency.MODEL,
    inversion_recovery_magnitude.MODEL,
    mdme.MODEL,
    mdme_epg.METHOD,
    mdme_magnitude.MODEL,
    spgr.MODEL,
    despot1.METHOD,
    spgr_epg.METHOD,
    saturation_recovery.MODEL,
    inversion_trains.LOOK_LOCKER,
    inversion_trains.MP2RAGE,
    t2_mono.MODEL,
    t2_offset.MODEL,
    t2_epg.METHOD,
    t2_epg.GIVEN_B1,
    t2_spectrum.METHOD,
    t1rho.MODEL,
    magnetisation_transfer.RATIO,
    magnetisation_transfer.MTSAT,
    fingerprinting.METHOD,
    fingerprinting.WITH_B1,
    t2star_mono.MODEL,
    t2star_offset.MODEL,
    t2star_rates.LOG_LINEAR,
    t2star_rates.ARLO,
    t2star_gradient.METHOD,
    complex_decay.T2STAR_COMPLEX,
    complex_decay.FIELD_MAP,
    *dixon.COMPLEX,
    *dixon.MAGNITUDE,
    *diffusion_decay.ALL,
    *adc_lines.ALL,
    kurtosis_line.METHOD,
    *ivim.ALL,
    *diffusion_tensor.ALL,
    *diffusion_kurtosis.ALL,
    b1_maps.DOUBLE_ANGLE,
    b1_maps.ACTUAL_FLIP,
    b1_maps.BLOCH_SIEGERT,
)
"""Every model and method that can be fitted by name."""


def find_model(name: str) -> Model | Method | Inversion | Quantification:
    """Return the model, method, inversion or quantification called `name`, e.g. ``"t2-mono"``."""
    every = (*MODELS, *INVERSIONS, *QUANTIFICATIONS)
    for model in every:
        if model.name == name:
            return model
    raise InputError(f"unknown model '{name}'{did_you_mean(name, [model.name for model in every])}", key="model")
