"""What verbs share: their options, lists in one text, and the refusal of options that would change nothing."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any

import click
from click.core import ParameterSource

from echobench.benchmark import RUNS
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path

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
    """A verb that refuses the options that it would ignore; of several processes, the first carries it out."""

    def invoke(self, ctx: click.Context) -> Any:
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
    """Raises EchobenchError for an option that was typed and would change nothing, be its value the default or not."""
    typed = {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    }
    for name, option in typed.items():
        if context.params.get(name) == "":
            raise EchobenchError(f"{option} was given an empty text; leave it out, or say what it shall be")
    for idle in IDLE.get(context.command.name or "", ()):
        found = [option for name, option in typed.items() if idle.concerns(name)]
        if found and idle.where(context.params):
            because = idle.because.format(**context.params)
            raise EchobenchError(f"{', '.join(found)} would change nothing here: {because}; leave it out")


with_data = click.option(
    "--data", metavar="DIR", help="A dataset's folder: CAMUS, EchoNet, …  [default: $ECHOBENCH_CAMUS, else the phantom]"
)
with_preset = click.option(
    "--preset", metavar="quick|standard|paper", help="Budgets.  [default: quick on the phantom, standard with data]"
)
with_view = click.option("--view", metavar="2C|4C|all", default="4C", help="Apical two-chamber, four-chamber, or both.")
with_strength = click.option(
    "--strength", type=float, default=1.0, help="Deformation of the label maps; 1 is the paper's, 0 none."
)
with_mix = click.option(
    "--mix",
    metavar="R",
    type=float,
    help="The U-Net trains on the real frames too, with R drawn images for each; 0 is real frames alone.  "
    "[default: drawn images alone]",
)
with_seed = click.option(
    "--seed", type=int, default=0, help="Of all that is drawn and trained, and of a derived split."
)
with_assignments = click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="A setting to change: unet.steps=4000. Repeatable."
)
with_device = click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Where the networks run.")
with_force = click.option("--force", is_flag=True, help="Start over, whatever the folder holds of an earlier call.")


def with_executor(verb: Function) -> Function:
    """Options of where cells are carried out, which the verb gets as one parameter, `executor`."""

    @wraps(verb)
    def placed(executor: str, slurm: tuple[str, ...], **others: Any) -> Any:
        from echobench.benchmark.cells.execute import find_executor

        asked = {name: others.pop(name) for name in ("jobs", "threads", "address")}
        return verb(executor=find_executor(executor, **asked, slurm=slurm or None), **others)

    for option in (
        click.option(
            "--threads",
            metavar="T",
            type=int,
            help="Of torch in each job. Other scores on other threads.  [default: $OMP_NUM_THREADS, else 1 on up to 3 "
            "cores, else half of them, 4 at most]",
        ),
        click.option(
            "--jobs",
            metavar="N",
            type=int,
            envvar="ECHOBENCH_JOBS",
            help="U-Nets and generators that are trained at a time, each in a process. The same scores for any N.  "
            "[default: $ECHOBENCH_JOBS, else as many as the cores hold with T threads each, or one per GPU]",
        ),
        click.option(
            "--slurm",
            metavar="KEY=VALUE|FILE.toml",
            multiple=True,
            help="With --executor slurm: what sbatch is asked for, as partition=gpu, time=600 (minutes). Repeatable.",
        ),
        click.option(
            "--address", metavar="HOST:PORT|auto", help="With --executor ray: of a cluster.  [default: this machine]"
        ),
        click.option(
            "--executor",
            metavar="processes|serial|ray|slurm",
            default="processes",
            help="Where they are trained: in processes here, or on a cluster that sees the same folders.",
        ),
    ):
        placed = option(placed)
    return placed


def with_unet_seeds(default: int) -> Decorator:
    return click.option(
        "--unet-seeds", type=int, default=default, help="How many U-Nets are trained on the same images."
    )


def with_scored_on(default: str) -> Decorator:
    return click.option(
        "--on",
        "scored_on",
        metavar="testing|validation",
        default=default,
        help="Patients who are scored. Test patients who were looked at to choose cannot judge the choice any more.",
    )


def with_out(gets: str) -> Decorator:
    """Of a verb that puts several runs into a folder, and what follows from all of them into one inside it."""
    return click.option(
        "--out", metavar="DIR", type=typed_path, default=RUNS, help=f"Gets the runs, and a folder `{gets}`."
    )


def with_finished_runs(verb: Function) -> Function:
    """Arguments and an option of the same meaning, of a verb that can tabulate without running."""
    verb = click.option(
        "--runs", metavar="DIR", multiple=True, type=typed_path, help="Only tabulate these runs, or those in them."
    )(verb)
    return click.argument("folders", metavar="[DIR]...", nargs=-1, type=typed_path)(verb)


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
    return not any(map(_deforms, names_in(values["generators"]) or ["warp"]))


_PLACE = ("executor", "jobs", "threads", "address", "slurm")
"""The parameters of `with_executor`."""
_FINISHED = "runs that are named are only tabulated"
_UNDEFORMED = "none of the generators draws deformed maps"
IDLE: Mapping[str, tuple[Idle, ...]] = MappingProxyType(
    {
        "run": (
            Idle(lambda v: not _deforms(v["generator"]), "{generator} draws no deformed maps", ("strength",)),
            Idle(lambda v: v["generator"].startswith("folder:"), "{generator} was drawn elsewhere", ("fraction",)),
            Idle(lambda v: v["patients"] is None, "all patients are taken", ("patient_draw",)),
            Idle(lambda v: v["mix"] == 0, "mix 0 is real frames alone", ("strength", "generator_from")),
            Idle(lambda v: not _trains(v["generator"]), "{generator} learns no weights to take", ("generator_from",)),
            Idle(lambda v: v["dry_run"], "--dry-run only prints", ("force", *_PLACE)),
        ),
        "compare": (
            Idle(_tabulates, _FINISHED, but=("runs", "folders", "out")),
            Idle(_none_deforms, _UNDEFORMED, ("strength",)),
            Idle(
                lambda v: "real" not in (names_in(v["generators"]) or ["real"]),
                "realism is measured where real is among the generators",
                ("inception",),
            ),
        ),
        "sweep": (
            Idle(_tabulates, _FINISHED, but=("runs", "folders", "out")),
            Idle(_none_deforms, _UNDEFORMED, ("strengths", "images")),
            Idle(lambda v: v["patients"] is None, "all patients are taken", ("patient_draws",)),
        ),
        "cross": (
            Idle(
                lambda v: bool(v["runs"]),
                "the runs of --from are finished",
                ("generators", "preset", "unet_seeds", *_PLACE),
            ),
            Idle(lambda v: bool(v["runs"]) and v["on"] == "echonet", "the runs of --from are finished", ("data",)),
            Idle(lambda v: v["on"] != "echonet", "--on {on} reads no videos", ("data_echonet", "skip_broken")),
            Idle(lambda v: v["on"] != "camus", "it is for --on camus, and this is --on {on}", ("data_camus",)),
        ),
    }
)
"""By verb: whatever an option cannot do beside others, it refuses."""
