"""The expert who traces a section, never twice alike."""

from dataclasses import replace

import numpy as np

from echobench.data.phantom.section import Section


def observed(section: Section, generator: np.random.Generator, skill_mm: float) -> Section:
    """The section as one expert would trace it: smooth errors of about `skill_mm`, larger where echoes are weak."""

    def off(scale: float) -> float:
        return float(generator.normal(0.0, scale * skill_mm))

    def retraced(sides: tuple[tuple[float, ...], tuple[float, ...]], width_mm: float) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(a + off(0.55 / width_mm) for a in side) for side in sides)

    apical_shift, basal_shift = off(1.5), off(1.1)
    left, right = retraced(section.bumps, section.half_width_mm)
    epi_left, epi_right = retraced(section.epi_bumps, section.wall_mm[0])
    sine, cosine = float(np.sin(section.tilt_rad)), float(np.cos(section.tilt_rad))
    return replace(
        section,
        apex_mm=(section.apex_mm[0] + apical_shift * sine, section.apex_mm[1] + apical_shift * cosine),
        length_mm=section.length_mm - apical_shift + basal_shift,
        half_width_mm=section.half_width_mm + off(0.6),
        plane_slope=section.plane_slope + off(0.03),
        bumps=(left, right),
        epi_bumps=(epi_left, epi_right),
        wall_mm=(section.wall_mm[0] + off(0.5), section.wall_mm[1] + off(0.6)),
        apical_wall_mm=max(4.0, section.apical_wall_mm + off(1.0)),
        leg_mm=(section.leg_mm[0] + off(0.7), section.leg_mm[1] + off(1.2)),
        atrium_length_mm=section.atrium_length_mm * (1 + off(0.05)),
        atrium_half_width_mm=section.atrium_half_width_mm + off(0.7),
        atrium_slope=section.atrium_slope + off(0.03),
    )
