"""The order of promotion: which environments a version must have been in before it goes to another. A pure function."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def earlier_environments(
    order: Sequence[str], environment: str, deployable: Collection[str], at_release: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the environments of which a version must have been in the last one before it goes to `environment`.

    They are those before it in the project's `order`, without those that the model has no Deployment spec for, and without
    those that the project did not have at the version's release (`at_release`, None: not known): a new environment in the
    middle does not hold up what was released before there was one. If none is left although the project had some then, which
    have other names now, today's count.
    """
    before = [one for one in order[: order.index(environment)] if one in deployable]
    if at_release is None:
        return tuple(before)
    earlier = at_release[: at_release.index(environment)] if environment in at_release else at_release
    kept = [one for one in before if one in at_release]
    return tuple(kept or (before if earlier else ()))
