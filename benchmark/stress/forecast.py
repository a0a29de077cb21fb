"""What a stress will cost, beside the generators that it trains first."""

from collections.abc import Sequence
from math import ceil

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Executor
from echobench.benchmark.cells.forecast import DRAWING, UNETS, Forecast, Probe, forecast, split_of
from echobench.benchmark.stress.judge import SELECTING
from echobench.benchmark.stress.settings import StressSettings
from echobench.data.frames import PHASES


def forecast_stress(
    settings: StressSettings, cells: Sequence[Cell], executor: Executor, probe: Probe, *, others: int = 0
) -> Forecast:
    """See `forecast`; as if nothing of the stress itself were finished. others: entrants of runs, whose drawing is left
    out."""
    trained = forecast(cells, executor, probe)  # first, as it says on how many threads all is timed
    own, unet = settings.judge.unet, probe.unet(settings.judge.unet)
    frames = len(PHASES) * len(split_of(settings.ideal).training) * (2 + settings.judge.repeats)
    learnt, selecting = round((1 - SELECTING) * frames), round(SELECTING * frames)
    steps = own.total_steps(learnt)
    judge = steps * unet.step + ceil(steps / own.looks_every(learnt)) * selecting * unet.look
    maps = settings.patients * (1 + len(settings.deformations) * len(settings.severities))
    rates = [probe.generator(one) for one in (settings.ideal, *(cell.settings for cell in cells))]
    drawn = maps * sum(one.draw for one in rates)
    left_out = [one.untried for one in rates if one.untried]
    left_out += ["drawing by the generators of --runs"] if others else []
    return trained.followed_by({UNETS: judge, DRAWING: drawn}, left_out)
