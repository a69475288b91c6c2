"""What every verb works on: the settings, the manifests and the shelf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from modelctl import manifest
from modelctl.assess import Assessment, KnownSizes, assess, assess_bundled, known_sizes
from modelctl.environments import host
from modelctl.errors import UsageError, did_you_mean
from modelctl.model import Model, Value
from modelctl.settings import Settings, read_settings
from modelctl.store import Store


class Work(Value, frozen=True, kw_only=False):
    """Settings and manifests, read once."""

    settings: Settings
    models: dict[str, Model]

    @property
    def store(self) -> Store:
        """The shelf."""
        return Store(self.settings.root)

    def model(self, name: str) -> Model:
        """Return one model by name; UsageError with the nearest name otherwise."""
        if name not in self.models:
            raise UsageError(f"no model {name!r}{did_you_mean(name, self.models)}", hint="modelctl list")
        return self.models[name]

    def pick(self, names: Sequence[str]) -> list[Model]:
        """Return the named models in their order, or all where none is named."""
        return [self.model(name) for name in dict.fromkeys(names)] if names else list(self.models.values())

    def assess(self, models: Iterable[Model]) -> list[Assessment]:
        """Judge how the models lie on the shelf, from `stat` alone."""
        sizes = known_sizes(self.models.values())
        return [self._assess(model, sizes) for model in models]

    def _assess(self, model: Model, sizes: KnownSizes) -> Assessment:
        if model.location is None:
            return assess_bundled(model, installed=host.has_packages(model))
        return assess(model, self.store.scan(model.location), sizes)


def open_work(*, root: str | Path | None = None, manifests: Sequence[str | Path] = ()) -> Work:
    """Read settings and manifests; the arguments are the flags `--root` and `--manifests`."""
    settings = read_settings(root=root, manifests=manifests)
    return Work(settings, manifest.load_all(settings.manifests))
