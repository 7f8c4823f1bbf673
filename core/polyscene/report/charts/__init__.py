"""Charts of our pages: Vega-Lite specs in the page, drawn by Vega in the reader's browser in the page's colors."""

from polyscene.report.charts.bars import Bar, bars
from polyscene.report.charts.heat import Cell, heat
from polyscene.report.charts.lines import Line, Point, lines
from polyscene.report.charts.parallel import parallel

__all__ = ["Bar", "Cell", "Line", "Point", "bars", "heat", "lines", "parallel"]
