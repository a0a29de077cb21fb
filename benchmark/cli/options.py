"""What verbs share: their options, lists in one text, and the refusal of options that would change nothing.

An option means the same in every verb that has it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any

import click

from echobench.benchmark import RUNS
from echobench.benchmark.cells.server import begin_server
from echobench.benchmark.cli.config import where_from, with_config
from echobench.benchmark.cli.output import OUTPUT
from echobench.benchmark.cli.values import kind_of, require_values
from echobench.data.base.errors import EchobenchError
from echobench.segmentation.networks import NETWORKS

Values = Mapping[str, Any]
"""What a call has for every parameter of its verb, typed or not."""
Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


@dataclass(frozen=True)
class Idle:
    """Options that change nothing in some calls of a verb.

    where: in which. options: names of their parameters; with none, all but those of `but`. because: why, where {name}
    stands for the value of a parameter.
    """

    where: Callable[[Values], bool]
    because: str
    options: tuple[str, ...] = ()
    but: tuple[str, ...] = ()

    def concerns(self, name: str) -> bool:
        """Whether a parameter is one of them."""
        return name in self.options if self.options else name not in self.but


class Verb(click.Command):
    """A verb that refuses the options that it would ignore, and what is not there; of several processes, the first
    carries it out. What its options take stands in `values`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for parameter in self.params:
            parameter.type = kind_of(self.name, parameter) or parameter.type

    def invoke(self, ctx: click.Context) -> Any:
        require_values(ctx)  # without torch, which the next may import
        refuse_idle(ctx)
        if "LOCAL_RANK" not in os.environ:
            return super().invoke(ctx)

        from echobench.benchmark.run.settings import resolve_device
        from echobench.generators.training.parallel import in_company, processes

        if processes() > 1 and "device" not in ctx.params:
            raise EchobenchError(f"{ctx.info_name} trains and draws nothing: give it without torchrun")
        with in_company(resolve_device(ctx.params.get("device", "cpu"))) as first:
            return super().invoke(ctx) if first else None


def refuse_idle(context: click.Context) -> None:
    """Raises EchobenchError for an option that was given and would change nothing.

    A typed one is refused whatever its value is; one of a file, where its value is not the default.
    """
    given = {p.name: said for p in context.command.params if p.name and (said := where_from(context, p))}
    for name, said in given.items():
        if context.params.get(name) == "":
            raise EchobenchError(f"{said} was given an empty text; leave it out, or say what it shall be")
    for idle in IDLE.get(context.command.name or "", ()):
        found = [said for name, said in given.items() if idle.concerns(name)]
        if found and idle.where(context.params):
            because = idle.because.format(**context.params)
            raise EchobenchError(f"{', '.join(found)} would change nothing here: {because}; leave it out")


def is_idle(context: click.Context, name: str) -> bool:
    """Whether a parameter would change nothing in this call."""
    return any(idle.concerns(name) and idle.where(context.params) for idle in IDLE.get(context.command.name or "", ()))


with_data = click.option(
    "--data",
    metavar="DIR",
    help="Reads this folder: CAMUS, EchoNet-Dynamic, or frames of your own.  "
    "[default: $ECHOBENCH_CAMUS, else the phantom]",
)
with_preset = click.option(
    "--preset",
    metavar="quick|standard|paper",
    help="Sets the size of networks and the length of trainings.  [default: quick on the phantom, standard with data]",
)
with_view = click.option(
    "--view", metavar="2C|4C|all", default="4C", help="Takes frames of the apical two-chamber or four-chamber view."
)
with_strength = click.option(
    "--strength", type=float, default=1.0, help="Deforms label maps this strongly: 1 as in the paper, 0 not at all."
)
with_mix = click.option(
    "--mix",
    metavar="R",
    type=float,
    help="Trains U-Nets on the real frames too, with R drawn images for each; 0 is real frames alone.  "
    "[default: drawn images alone]",
)
with_seed = click.option(
    "--seed", type=int, default=0, help="Seeds every random choice: split, maps, training, drawing."
)
with_images = click.option(
    "--images",
    metavar="N",
    type=int,
    help="Trains each U-Net on N images in all. Compared with other generators, `real` keeps all its frames.  "
    "[default: what the preset says]",
)
with_network = click.option(
    "--network",
    metavar="|".join(NETWORKS),
    help="Trains this segmentation network with the settings of its own: unet is the paper's, unet-deep has 2 M "
    "weights.  [default: unet]",
)
with_networks = click.option(
    "--networks",
    metavar="A,B,…",
    help="Trains each of these segmentation networks on the same images: unet, unet-deep.  [default: unet]",
)
with_assignments = click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Changes a setting of the preset, such as unet.steps=4000, in every generator that has it. Repeatable.",
)
with_device = click.option(
    "--device", metavar="auto|cpu|cuda", default="auto", help="Runs networks there; auto takes a GPU if there is one."
)
with_force = click.option("--force", is_flag=True, help="Starts over, and removes what an earlier call has left there.")


def with_plan(verb: Function) -> Function:
    """Options that look ahead, and that repeat what was looked at. The verb gets `dry_run`."""

    @wraps(verb)
    def planned(form: str, **others: Any) -> Any:  # `cli.dry_run.show` finds it in the context
        return verb(**others)

    for option in (
        click.option(
            "--format",
            "form",
            metavar="text|json|toml",
            type=click.Choice(["text", "json", "toml"]),
            default="text",
            help="Prints the dry run in this format; --config reads toml.",
        ),
        click.option(
            "--dry-run", is_flag=True, help="Prints every setting and an estimate of hours and disk, and stops."
        ),
        with_config,
    ):
        planned = option(planned)
    return planned


def _has_parts(values: Values) -> bool:
    """Whether a call may have several things to do at the same time. If not, no process is begun for them."""
    alone = "generator" in values and values["unet_seeds"] == 1
    printed = any(values.get(name) for name in ("dry_run", "runs", "folders"))
    return not (alone or printed or "LOCAL_RANK" in os.environ or os.cpu_count() == 1)


def with_executor(verb: Function) -> Function:
    """Options of where cells are carried out, which the verb gets as one parameter, `executor`."""

    @wraps(verb)
    def placed(executor: str, slurm: tuple[str, ...], **others: Any) -> Any:
        if executor == "processes" and others["jobs"] != 1 and _has_parts(others):
            begin_server()
        from echobench.benchmark.cells.execute import find_executor

        asked = {name: others.pop(name) for name in ("jobs", "threads", "address")}
        return verb(executor=find_executor(executor, **asked, slurm=slurm or None), **others)

    for option in (
        click.option(
            "--threads",
            metavar="T",
            type=int,
            help="Computes on T threads in each job. Another T gives other scores.  [default: "
            "$OMP_NUM_THREADS, else 1 on up to 3 cores, else half of them, 4 at most]",
        ),
        click.option(
            "--jobs",
            metavar="N",
            type=int,
            envvar="ECHOBENCH_JOBS",
            help="Trains N U-Nets and generators at a time, each in a process. Scores are the same for any N.  "
            "[default: $ECHOBENCH_JOBS, else as many as the cores hold with T threads each, or one per GPU]",
        ),
        click.option(
            "--slurm",
            metavar="KEY=VALUE|FILE.toml",
            multiple=True,
            help="With --executor slurm: asks sbatch for this, such as partition=gpu, time=600 (minutes). Repeatable.",
        ),
        click.option(
            "--address", metavar="HOST:PORT|auto", help="With --executor ray: joins a cluster.  [default: this machine]"
        ),
        click.option(
            "--executor",
            metavar="processes|serial|ray|slurm",
            default="processes",
            help="Trains in several processes here, one after another (serial), or on a cluster with the same folders.",
        ),
    ):
        placed = option(placed)
    return placed


def with_unet_seeds(default: int) -> Decorator:
    return click.option(
        "--unet-seeds", metavar="N", type=int, default=default, help="Trains N U-Nets on the same images."
    )


def with_scored_on(default: str) -> Decorator:
    return click.option(
        "--on",
        "scored_on",
        metavar="testing|validation",
        default=default,
        help="Scores these patients. Test patients that helped to choose settings cannot judge the choice any more.",
    )


def with_out(gets: str) -> Decorator:
    """Of a verb that puts several runs into a folder, and what follows from all of them into one inside it."""
    return click.option("--out", metavar="DIR", default=RUNS, help=f"Writes the runs here, and tables into `{gets}`.")


def with_finished_runs(verb: Function) -> Function:
    """Arguments and an option of the same meaning, of a verb that can tabulate without running."""
    verb = click.option("--runs", metavar="DIR", multiple=True, help="Only tabulates this run, or the runs in DIR.")(
        verb
    )
    return click.argument("folders", metavar="[DIR]...", nargs=-1)(verb)


def names_in(names: str | None) -> list[str] | None:
    """ "A,B" as a list; None stays None."""
    return None if names is None else [name.strip() for name in names.split(",")]


def numbers_in(numbers: str) -> list[float]:
    """ "0,0.5" as a list of at least one; raises EchobenchError for anything else."""
    try:
        found = [float(number) for number in numbers.replace(",", " ").split()]
    except ValueError:
        found = []
    if not found:
        raise EchobenchError(f"{numbers!r} is no list of numbers like 0,0.5,1")
    return found


def counts_in(numbers: str) -> list[int | str]:
    """ "2,5,all" as a list of at least one; raises EchobenchError for anything else."""
    found = numbers.replace(",", " ").split()
    if not found or not all(number == "all" or number.isdecimal() for number in found):
        raise EchobenchError(f"{numbers!r} is no list of whole numbers, or all, like 2,5,10,all")
    return [number if number == "all" else int(number) for number in found]


def number_or_all(text: str, option: str) -> int | None:
    """ "5" as a number, "all" as None; raises EchobenchError for anything else."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise EchobenchError(f"{option} takes a whole number or all, not {text!r}")
    return int(text)


def _tabulates(values: Values) -> bool:
    return bool(values["runs"] or values["folders"])


def _deforms(generator: str) -> bool:
    from echobench.generators.registry import generator_class

    return generator_class(generator).deforms


def _trains(generator: str) -> bool:
    from echobench.generators.registry import generator_class

    return generator_class(generator).trained


def _none_deforms(values: Values) -> bool:
    """Of the generators that are named; the default has some that do."""
    return not any(map(_deforms, _generators(values) or ["warp"]))


def _generators(values: Values) -> list[str]:
    """Those that are named, one by one; none where the default is taken."""
    from echobench.generators.registry import expanded

    return expanded(names_in(values["generators"]) or [])


_PLACE = ("executor", "jobs", "threads", "address", "slurm")
"""The parameters of `with_executor`."""
_FINISHED = "runs that are named are only tabulated"
_UNDEFORMED = "none of the generators draws deformed maps"
_UNPRINTED = Idle(lambda v: not v["dry_run"], "it is how --dry-run prints", ("form",))
IDLE: Mapping[str, tuple[Idle, ...]] = MappingProxyType(
    {
        "run": (
            Idle(lambda v: not _deforms(v["generator"]), "{generator} draws no deformed maps", ("strength",)),
            Idle(lambda v: v["generator"].startswith("folder:"), "{generator} was drawn elsewhere", ("fraction",)),
            Idle(lambda v: v["patients"] is None, "all patients are taken", ("patient_draw",)),
            Idle(lambda v: v["mix"] == 0, "mix 0 is real frames alone", ("strength", "generator_from")),
            Idle(lambda v: not _trains(v["generator"]), "{generator} learns no weights to take", ("generator_from",)),
            _UNPRINTED,
        ),
        "compare": (
            Idle(_tabulates, _FINISHED, but=("runs", "folders", "out", "data", "config", *OUTPUT)),
            Idle(_none_deforms, _UNDEFORMED, ("strength", "images")),
            _UNPRINTED,
            Idle(
                lambda v: "real" not in (_generators(v) or ["real"]),
                "realism is measured where real is among the generators",
                ("inception", "fid_images"),
            ),
        ),
        "generate": (
            Idle(lambda v: v["checkpoint"] is not None, "a checkpoint draws the views that it has learnt", ("view",)),
        ),
        "sweep": (
            Idle(_tabulates, _FINISHED, but=("runs", "folders", "out", "config", *OUTPUT)),
            Idle(_none_deforms, _UNDEFORMED, ("strengths", "images")),
            Idle(lambda v: v["patients"] is None, "all patients are taken", ("patient_draws",)),
            _UNPRINTED,
        ),
        "stress": (_UNPRINTED,),
        "cross": (
            Idle(
                lambda v: bool(v["runs"]),
                "the runs of --from are finished",
                ("generators", "preset", "seed", "images", "unet_seeds", "assignments", *_PLACE),
            ),
            Idle(_none_deforms, _UNDEFORMED, ("images",)),
            _UNPRINTED,
            Idle(lambda v: bool(v["runs"]) and v["on"] == "echonet", "the runs of --from are finished", ("data",)),
            Idle(lambda v: v["on"] != "echonet", "--on {on} reads no videos", ("data_echonet", "skip_broken")),
            Idle(lambda v: v["on"] != "camus", "it is for --on camus, and this is --on {on}", ("data_camus",)),
        ),
    }
)
"""By verb: whatever an option cannot do beside others, it refuses."""
