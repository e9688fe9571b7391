"""What a setting must be, checked when its dataclass is filled."""

from typing import Any, NoReturn

from dpf_core.errors import ConfigError


def at_least(config: Any, name: str, bound: float) -> None:
    """Refuse a setting below a bound.

    Raises:
        ConfigError: It is.
    """
    if not getattr(config, name) >= bound:
        refuse(config, name, f">= {bound}")


def within(config: Any, name: str, least: float, most: float) -> None:
    """Refuse a setting outside a range, both ends included.

    Raises:
        ConfigError: It is.
    """
    if not least <= getattr(config, name) <= most:
        refuse(config, name, f"in [{least}, {most}]")


def above_zero(config: Any, name: str) -> None:
    """Refuse a setting that is not positive.

    Raises:
        ConfigError: It is not.
    """
    if not getattr(config, name) > 0:
        refuse(config, name, "> 0")


def refuse(config: Any, name: str, contract: str) -> NoReturn:
    """Refuse a setting, with its place in params.yaml.

    Args:
        config: A dataclass of `dpf_core.config`, named after its section.
        name: Of the field.
        contract: What it must be.

    Raises:
        ConfigError: Always.
    """
    section = type(config).__name__.removesuffix("Config").lower()
    default = type(config).__dataclass_fields__[name].default
    raise ConfigError(
        f"{name} must be {contract}, got {getattr(config, name)} "
        f"({section}.{name} in params.yaml). The default is {default}."
    )
