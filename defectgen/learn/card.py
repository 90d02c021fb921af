"""The MODEL_CARD.md of a product's own networks."""

from defectgen.diffusion.denoise import Denoiser
from defectgen.spec import DataSpec


def model_card(title: str, does: str, spec: DataSpec, denoiser: Denoiser, recipe: str, curve: dict[int, float]) -> str:
    """What a person should know before using the weights, as Markdown; `curve` is the validation loss by step."""
    parameters = sum(parameter.numel() for parameter in denoiser.parameters()) / 1e6
    best = min(curve, key=lambda step: curve[step]) if curve else None
    loss = f"{curve[best]:.4f} at step {best}" if best is not None else "not measured: nothing to validate on"
    return f"""# {title}

{does}

- classes: {", ".join(spec.classes)}
- channels: {spec.channels}; sigma_data: {spec.sigma_data:.3f}
- network: {type(denoiser.network).__name__}, {parameters:.2f} M parameters (averaged weights)
- training: {recipe}
- validation loss (masked, fixed noise): {loss}
- made with defectgen from the user's own pictures; no third-party weights. For that product only.
"""
