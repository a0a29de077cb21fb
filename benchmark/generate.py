"""Draw images for label maps with the generator of a run or of a file, as many as the disk holds."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from echobench.benchmark.choices import LAYOUTS
from echobench.benchmark.run.drawing import chunks
from echobench.benchmark.run.settings import label_of
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trained import generator_of, kept_weights
from echobench.data.base.differences import differences
from echobench.data.base.errors import EchobenchError, require_known
from echobench.data.base.files import file_sha256, working_in, write_whole
from echobench.data.base.progress import Progress, silent
from echobench.data.base.settings import settings_from
from echobench.data.base.text import read_json
from echobench.data.datasets.camus import Frame, FrameFiles, find_frames, read_frame, split_of
from echobench.data.datasets.copies import keep_together, thumbnails_of
from echobench.data.datasets.medical_image import read_image, resize_labels
from echobench.data.deform import VERSION, Deformation
from echobench.data.frames import VIEWS, Frames
from echobench.data.labels import Label
from echobench.data.maps import LabelMaps, deformed_maps, item_seeds, repeat_numbers
from echobench.data.nnunet import NnunetLayout, require_name
from echobench.data.splits import SUBSETS, read_split_files
from echobench.data.store import FrameWriter, Layout
from echobench.generators.base import Generator
from echobench.generators.registry import generator_class
from echobench.generators.trained import load_trained
from echobench.results.records.stress import STRESS
from echobench.segmentation.networks import PAPER
from echobench.segmentation.settings import UNetSettings

OUTSIDE = 255
"""Grey value of a PNG map outside the ultrasound sector; a PNG without it is sector throughout."""
ORIGIN = "origin.json"
"""Beside the manifest: which weights and which arguments drew the images."""

_PNG_NAME = re.compile(r"(?P<patient>.+)_(?P<view>[24]C)H_(?P<phase>ED|ES)\.png")


@dataclass(frozen=True, eq=False)
class Painter:
    """Who draws the maps of some views; views: none where its file is from before that was kept. size: (H, W)."""

    generator: Generator
    views: tuple[str, ...]
    size: tuple[int, int]


def generate(
    source: Path,
    maps: Path,
    out: Path,
    *,
    view: str | None = None,
    repeats: int = 1,
    strength: float = 1.0,
    seed: int = 0,
    subsets: Sequence[str] = (),
    layout: str = "camus",
    device: str = "cpu",
    progress: Progress = silent,
) -> int:
    """Draw `repeats` images for deformed maps of every source, in a layout with a manifest; how many there are.

    Of a folder with several views, those that the generator has learnt are drawn.

    source: the folder of a run, whose generators are taken, or what a `Trained` generator's `save` wrote.
    maps: a CAMUS-layout folder, whose images are looked at for the sector alone and may be missing where there is
        a `..._sector` file; or a folder of PNGs called like patient0001_4CH_ED.png, with the codes of `Label` and
        `OUTSIDE`, whose spacing is unknown. A generator that draws from source images, as `warp`, gets the images.
    view: one of a run's; None draws all that it has.
    subsets: of the maps' patients, by the folder's split or, if a CAMUS-layout folder has none, by the one that a run
        of this seed derives; none for all patients. What a U-Net is to train on must leave out the testing patients.
    layout: of `LAYOUTS`; "nnunet" is for a folder called like Dataset501_Echo, and has a dataset.json at the end.
    out: gets the images; a call that was interrupted goes on at the first missing one.

    Raises EchobenchError for whatever a user can cause, other weights or arguments than those of `out` included.
    """
    if repeats < 1 or not 0 <= strength < inf:
        raise EchobenchError(f"repeats is {repeats} and strength {strength}; at least 1 and 0 are needed")
    for subset in subsets:
        require_known("subset", subset, SUBSETS)
    require_known("layout", layout, LAYOUTS)
    if layout == "nnunet":
        require_name(out)
    found = find_maps(maps)
    painters, origin = painters_of_run(source, view, device) if source.is_dir() else painter_of_file(source, device)
    size = painters[0].size
    sources = _of_views(found, [view for painter in painters for view in painter.views], maps)
    if subsets:
        sources = _of_subsets(sources, maps, subsets, seed, size)
    shares = [[files for files in sources if files.view in (painter.views or {files.view})] for painter in painters]
    from_images = any(painter.generator.needs_source_images for painter in painters)
    if from_images and (lacking := [files.truth for files in sources if files.image is None]):
        raise EchobenchError(
            f"the generator of {source} changes the images behind the maps, and there is none beside {lacking[0]}: "
            "give a CAMUS folder with images"
        )
    stream = _Stream([files for share in shares for files in share], size, repeats, strength, seed, from_images)
    arguments = {"repeats": repeats, "strength": strength, "seed": seed, "subsets": sorted(subsets)}
    if strength:
        arguments["deformation"] = VERSION
    if layout != "camus":
        arguments["layout"] = layout
    origin = origin | {"maps_sha256": _hash_of(sources)} | arguments
    with working_in(out):
        _claim(out, origin)
        written_as = _nnunet_layout(sources, size) if layout == "nnunet" else Layout()
        writer, begin = FrameWriter(out, stream.maps, stream.seeds, written_as), 0
        for painter, share in zip(painters, shares, strict=True):
            n = len(share) * repeats
            for chunk in chunks(painter.generator, min(max(writer.written - begin, 0), n), n):
                rows = slice(begin + chunk.start, begin + chunk.stop)
                images = painter.generator.sample(stream.read(rows), stream.seeds[rows])
                writer.append(images[writer.written - rows.start :])
                progress(writer.written, len(stream.maps))
            begin += n
        writer.finish()
    return writer.written


def _nnunet_layout(sources: Sequence[FrameFiles], size: tuple[int, int]) -> NnunetLayout:
    """Read the maps for the labels that they have, which no deformation adds to, and for their spacing."""
    present, with_spacing = set[Label](), True
    for files in sources:
        frame = read_map(files, size)
        present |= {Label(code) for code in np.unique(frame.labels).tolist()}
        with_spacing &= bool(np.isfinite(frame.spacing_mm).all())
    return NnunetLayout(frozenset(present), with_spacing)


def painter_of_file(path: Path, device: str) -> tuple[list[Painter], dict[str, Any]]:
    """The generator of a file, and what says which it is. Raises EchobenchError, see `load_trained`."""
    generator = load_trained(path, device)
    return [Painter(generator, generator.views, generator.size)], {"checkpoint_sha256": file_sha256(path)}


def painters_of_run(run: Path, view: str | None, device: str) -> tuple[list[Painter], dict[str, Any]]:
    """The generator of each view of a run, or of one, and what says which they are.

    Raises EchobenchError for a folder that is none of a run, one that has not yet trained them, and one whose generator
    has nothing but the frames as they are.
    """
    if (run / STRESS).is_file():
        raise EchobenchError(f"{run} is the folder of a stress, which keeps no generator; name the folder of a run")
    begun = StageFolder(run, "cpu").begun_with()
    name, code = begun["generator"], begun.get("code")
    if not generator_class(name, code).deforms:
        raise EchobenchError(
            f"{run} has no generator: {label_of(name)} is ready-made frames, and draws none; name another run"
        )
    views = VIEWS if begun["view"] == "all" else (begun["view"],)
    if view is not None:
        require_known(f"view of {run}", view, views)
        views = (view,)
    side = settings_from(UNetSettings, {"network": PAPER} | begun["unet_settings"], run).image_size_px
    painters = [Painter(generator_of(run, view, device), (view,), (side, side)) for view in views]
    weights = {view: file_sha256(kept_weights(run, view)) for view in views}
    origin = {"generator": label_of(name), "weights_sha256": weights}
    return painters, origin if code is None else origin | {"code": code}


def _of_views(sources: list[FrameFiles], views: Sequence[str], maps: Path) -> list[FrameFiles]:
    there = {files.view for files in sources}
    if not views and len(there) > 1:
        raise EchobenchError(
            f"{maps} has maps of {' and '.join(sorted(there))}, and the checkpoint does not say which it has learnt: "
            "name a folder with those of one view"
        )
    if views and not there & set(views):
        raise EchobenchError(
            f"{maps} has maps of {' and '.join(sorted(there))}, and the generator has learnt {' and '.join(views)}"
        )
    return [files for files in sources if not views or files.view in views]


def _of_subsets(
    sources: list[FrameFiles], maps: Path, subsets: Sequence[str], seed: int, size: tuple[int, int]
) -> list[FrameFiles]:
    if read_split_files(maps) is None and any(maps.glob("*.png")):
        raise EchobenchError(
            f"{maps} has PNGs and no database_split to say whose: --subset needs it, or a CAMUS folder"
        )
    split = split_of(maps, sources, seed)
    if split.origin != "official":
        thumbnails = thumbnails_of([read_map(files, size).image for files in sources])
        split = keep_together(thumbnails, [files.patient for files in sources], split, seed)
    kept = {patient for subset in subsets for patient in split.patients(subset)}
    return [files for files in sources if files.patient in kept]


def find_maps(folder: Path) -> list[FrameFiles]:
    """The files of every label map of a folder, sorted; for PNGs, `truth` is the map.

    Raises EchobenchError if there are none, or for a PNG whose name does not say what it is.
    """
    if not folder.is_dir():
        raise EchobenchError(f"there is no folder {folder} of label maps")
    pngs = sorted(folder.glob("*.png"))
    if not pngs:
        return find_frames(folder)
    files = []
    for path in pngs:
        if not (match := _PNG_NAME.fullmatch(path.name)):
            raise EchobenchError(f"{path} must be called like patient0001_4CH_ED.png: patient, view (2C, 4C), ED or ES")
        files.append(FrameFiles(match["patient"], match["view"], match["phase"], None, path, None))
    return files


def read_map(files: FrameFiles, size: tuple[int, int]) -> Frame:
    """One label map and its sector at (H, W). The image of the result is black where there is none."""
    if files.truth is not None and files.truth.suffix == ".png":
        return _read_png(files.truth, size)
    return read_frame(files, size, black_without_image=True)


def _read_png(path: Path, size: tuple[int, int]) -> Frame:
    codes, known = read_image(path).pixels, {OUTSIDE, *map(int, Label)}
    if not set(np.unique(codes).tolist()) <= known:
        raise EchobenchError(f"{path} must be a grey PNG with the values {', '.join(map(str, sorted(known)))} alone")
    codes = resize_labels(codes.astype(np.uint8), size)
    sector = codes != OUTSIDE
    return Frame(np.zeros(size, dtype=np.uint8), np.where(sector, codes, np.uint8(0)), sector, (np.nan, np.nan))


@dataclass
class _Window:
    """Stands for an array (N, H, W) of which only the rows from `start` on, `rows`, are in memory."""

    shape: tuple[int, int, int]
    start: int
    rows: NDArray[Any]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, i: int) -> NDArray[Any]:
        return self.rows[i - self.start]


class _Stream:
    """Every map that is asked for, of which one chunk at a time is in memory.

    maps: what `FrameWriter` needs to know of all of them; their pixels are those of the chunk that was read last.
    """

    def __init__(
        self, sources: Sequence[FrameFiles], size: tuple[int, int], repeats: int, strength: float, seed: int,
        with_images: bool = False,
    ) -> None:  # fmt: skip
        self._sources, self._size, self._strength, self._seed = sources, size, strength, seed
        self._with_images = with_images
        n = len(sources) * repeats
        nothing = np.zeros((0, *size), dtype=np.uint8)
        self._labels, self._sector = _Window((n, *size), 0, nothing), _Window((n, *size), 0, nothing)
        self._known = _frames(sources, np.broadcast_to(np.uint8(0), (len(sources), *size)))
        index = np.repeat(np.arange(len(sources)), repeats)
        self._repeat = repeat_numbers(index)
        self.seeds = item_seeds(self._known, index, self._repeat, f"sample/{seed}")
        self.maps = LabelMaps(
            labels=cast(NDArray[np.uint8], self._labels),
            sector=cast(NDArray[np.bool_], self._sector),
            source=self._known,
            source_index=index,
            deformation=Deformation(
                affine=np.broadcast_to(0.0, (n, 2, 3)),
                control=np.broadcast_to(0.0, (n, 2, 1, 1)),
                seed=item_seeds(self._known, index, self._repeat, f"deform/{seed}"),  # `read` checks
                strength=np.full(n, strength),
            ),
        )

    def read(self, rows: slice) -> LabelMaps:
        """Some of the maps, deformed; their sources are read from disk."""
        index = self.maps.source_index[rows]
        within = slice(index[0], index[-1] + 1)
        sources = self._sources[within]
        read = [read_map(files, self._size) for files in sources]
        frames = replace(
            _frames(sources, self._known.images[within]),
            images=np.array([frame.image for frame in read]) if self._with_images else self._known.images[within],
            labels=np.array([frame.labels for frame in read]),
            sector=np.array([frame.sector for frame in read]),
            spacing_mm=np.array([frame.spacing_mm for frame in read]),
        )
        chunk = deformed_maps(frames, index - index[0], self._repeat[rows], strength=self._strength, seed=self._seed)
        assert (chunk.deformation.seed == self.maps.deformation.seed[rows]).all()
        self._labels.start = self._sector.start = rows.start
        self._labels.rows, self._sector.rows = chunk.labels, chunk.sector
        self._known.spacing_mm[within] = frames.spacing_mm
        return chunk


def _frames(sources: Sequence[FrameFiles], pixels: NDArray[np.uint8]) -> Frames:
    """Frames of which only the names are known."""
    return Frames(
        images=pixels,
        labels=pixels,
        sector=np.broadcast_to(np.False_, pixels.shape),
        spacing_mm=np.full((len(sources), 2), np.nan),
        patient=np.array([files.patient for files in sources]),
        view=np.array([files.view for files in sources]),
        phase=np.array([files.phase for files in sources]),
        source=np.array(["maps"] * len(sources)),
    )


def _hash_of(sources: Sequence[FrameFiles]) -> str:
    """SHA-256 of the files that the maps and their sectors are read from."""
    found = hashlib.sha256()
    for path in (path for files in sources for path in (files.truth, files.image, files.sector) if path is not None):
        found.update(f"{path.name} {file_sha256(path)}\n".encode())
    return found.hexdigest()


def _claim(out: Path, origin: dict[str, Any]) -> None:
    """Note what draws into a folder; raises EchobenchError where something else has drawn before."""
    path = out / ORIGIN
    if path.is_file():
        found = read_json(path, "nobody knows what drew there: choose another folder")
        if differing := differences(found, origin):
            raise EchobenchError(f"{out} holds other images: {'; '.join(differing)}. Choose another folder")
        return
    write_whole(path, json.dumps(origin, indent=1) + "\n")
