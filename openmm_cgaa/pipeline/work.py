"""The stages that pipelines share: to sample, to label, to train, to set frames apart."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..data.dataset import Dataset
from ..errors import CGAAError
from ..labelling.label import label
from ..model.file import find_model
from ..sampling.sample import sample
from ..training.config import TrainingConfig
from ..training.train import train
from .stages import Pipeline, Stage


@dataclass
class Work:
    """Stages in the folder of a pipeline, all labels by one teacher.

    Attributes
    ----------
    pipeline : Pipeline
    teacher : str
        As ``openmm-cgaa label`` takes it; needed where something is labelled.
    teacher_settings : dict
    workers : int
        Processes that sample or label.
    threads : int
        Of each of them when it labels.
    share : callable, optional
        Called with how much of a stage is done, 0.0 to 1.0, while it samples or labels.
    """

    pipeline: Pipeline
    teacher: str = ""
    teacher_settings: dict = field(default_factory=dict)
    workers: int = 1
    threads: int = 1
    share: Callable[[float], object] | None = None

    @property
    def folder(self) -> Path:
        return self.pipeline.folder

    def training(self, name: str, title: str, config: TrainingConfig) -> Stage:
        """A training, whose model file lies in ``NAME/``, see `model`."""
        config = replace(config, output=str(self.folder / name))
        # files count by their contents
        settings = config.result_key() | {"data": {**asdict(config.data), "paths": None}, "init": None}
        settings["warm_start"] = None
        # a term of the loss that a later version brings, and that is off, makes no training begin anew
        settings["loss"] = {term: weight for term, weight in settings["loss"].items() if weight}
        begun = [find_model(model) for model in (config.init, config.warm_start) if model]
        inputs, made = [*map(Path, config.data.paths), *begun], [self.folder / name, self.model(name)]
        return Stage(name, partial(train, config), made, settings, inputs, title=title)

    def model(self, name: str) -> Path:
        """The model file of a training."""
        return self.folder / name / "model.safetensors"

    def trained(self, name: str, title: str, config: TrainingConfig) -> Path:
        """The model file of a training that is finished."""
        self.pipeline.do(self.training(name, title, config))
        return self.model(name)

    def sampled(
        self,
        name: str,
        title: str,
        plan: Path,
        model: Path | None = None,
        splits: Sequence[str] | None = None,
        workers: int | None = None,
        inputs: Sequence[Path] = (),
    ) -> Path:
        """Frames of a sampling plan, ``NAME.h5``; `inputs` are what the plan reads besides."""
        output = self.folder / f"{name}.h5"
        work = partial(self._sample, plan, model, output, splits, workers)
        needs = [plan, *([model] if model else []), *inputs]
        self.pipeline.do(Stage(name, work, [output], splits, needs, title=title))
        return output

    def labelled(self, name: str, title: str, frames: Path) -> Path:
        """Labels of frames, ``NAME.h5``."""
        output = self.folder / f"{name}.h5"
        options: dict[str, Any] = {
            "workers": self.workers,
            "threads": self.threads,
            "settings": self.teacher_settings,
        }
        if (share := self.share) is not None:
            options["progress"] = lambda status: share(status.atoms / max(1, status.all_atoms))
        work = partial(label, frames, output, self.teacher, **options)
        settings = [self.teacher, self.teacher_settings]
        self.pipeline.do(Stage(name, work, [output], settings, [frames], fits=True, title=title))
        return output

    def kept(self, name: str, title: str, make: Callable[[], Dataset], settings: Any, inputs: Sequence[Path]) -> Path:
        """Frames that are made from others, ``NAME.frames.h5``: beside those with labels, ``NAME.h5``."""
        path = self.folder / f"{name}.frames.h5"
        self.pipeline.do(Stage(path.stem, lambda: make().save(path), [path], settings, inputs, title=title))
        return path

    def _sample(
        self, plan: Path, model: Path | None, output: Path, splits: Sequence[str] | None, workers: int | None
    ) -> None:
        """Sample what is missing. A student may blow up here and there, which is no reason to give up the rest."""
        output.unlink(missing_ok=True)  # written anew from the finished trajectories
        options: dict[str, Any] = {"model": None if model is None else str(model), "splits": splits}
        if (share := self.share) is not None:
            options["progress"] = lambda done, total, name: share(done / total)
        try:
            sample(plan, output, workers, **options)
        except CGAAError as error:
            if not output.is_file():
                raise
            self.pipeline.progress(f"going on without some trajectories: {error}")
