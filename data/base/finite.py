"""Numbers that have left the range of numbers: looked for wherever weights are trained, saved or loaded."""

from typing import Any

import torch

from echobench.data.base.errors import EchobenchError


def not_finite(content: Any, name: str = "") -> str | None:
    """Dotted name of the first tensor of nested mappings and sequences that holds NaN or infinity; None without any."""
    if isinstance(content, torch.Tensor):
        return None if bool(torch.isfinite(content).all()) else name
    if not isinstance(content, dict | list | tuple):
        return None
    parts = content.items() if isinstance(content, dict) else enumerate(content)
    found = (not_finite(value, f"{name}.{key}" if name else f"{key}") for key, value in parts)
    return next((one for one in found if one is not None), None)


def require_finite(content: Any, where: object) -> None:
    """Raises EchobenchError for a tensor that holds NaN or infinity. where: begins the sentence."""
    if (name := not_finite(content)) is not None:
        raise EchobenchError(
            f"{where} has numbers that are not finite ({name}): the training has diverged, or the file is damaged. "
            "Train anew, with a lower learning rate if it happens again"
        )
