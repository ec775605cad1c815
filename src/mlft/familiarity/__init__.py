"""Whether an input is like those of a law: indicators, and an alarm with a stated rate; arithmetic, without files."""

from mlft.familiarity.alarm import FALSE_ALARMS, FEWEST, MINIMUM, SURE, Alarm, Familiarity, fit_alarm, rank_of_alarm
from mlft.familiarity.law import INDICATORS, Law, fit_law
from mlft.familiarity.waves import Waves, bands_of

__all__ = [
    "FALSE_ALARMS",
    "FEWEST",
    "INDICATORS",
    "MINIMUM",
    "SURE",
    "Alarm",
    "Familiarity",
    "Law",
    "Waves",
    "bands_of",
    "fit_alarm",
    "fit_law",
    "rank_of_alarm",
]
