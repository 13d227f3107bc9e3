"""Are the packages that get imported ours? Other distributions also install a `guardrails` package, and pip
overwrites silently (decision 0010)."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from typing import Final

from gateway.errors import GatewayError

DISTRIBUTION: Final = "guardrail-gateway"
PACKAGES: Final = ("gateway", "guardrails", "policies")


def check_packages() -> None:
    """Make sure that no other distribution installs a package of the same name.

    Raises:
        GatewayError: one does; the text names it and says what to do.

    """
    owners = packages_distributions()
    for package in PACKAGES:
        others = sorted({owner for owner in owners.get(package, ()) if owner.lower().replace("_", "-") != DISTRIBUTION})
        if others:
            raise GatewayError(
                f"The package '{package}' is also installed by {', '.join(others)}, which overwrites it. "
                f"Use an environment of its own: pip uninstall {' '.join(others)}, then reinstall {DISTRIBUTION}."
            )
