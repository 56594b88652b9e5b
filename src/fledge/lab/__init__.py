"""Labs: contrast experiments whose conclusions are predicates over this run's numbers.

`Lab` (spec.py) says what is compared, `Results` (results.py) holds what came out, verdict.py judges, figure.py draws, and
script.py is what `python exp1_….py` and `fledge lab run` do.
"""

from fledge.lab.figure import Figure
from fledge.lab.results import Results
from fledge.lab.spec import Claim, Lab, Metric, Prediction, Sabotage, param
from fledge.lang import Text

__all__ = ["Claim", "Figure", "Lab", "Metric", "Prediction", "Results", "Sabotage", "Text", "param"]
