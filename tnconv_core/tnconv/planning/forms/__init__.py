"""The forms of step: one file each, found here by name.

A form that is deleted only changes times, never results; more can be added through the
entry-point group ``tnconv.forms``.
"""

from tnconv.planning.forms.constant import CONSTANT
from tnconv.planning.forms.contract import GEMM, MULTIPLY
from tnconv.planning.forms.cumulative import CUMULATIVE
from tnconv.planning.forms.flat import FLAT
from tnconv.planning.forms.fourier import FOURIER
from tnconv.planning.forms.half import HALF
from tnconv.planning.forms.lag import LAG
from tnconv.planning.forms.native import NATIVE
from tnconv.planning.forms.taps import TAPS
from tnconv.planning.forms.views import FOLD, GATHER, WINDOW

FORMS = (
    WINDOW,
    FOLD,
    GATHER,
    CONSTANT,
    GEMM,
    HALF,
    LAG,
    MULTIPLY,
    NATIVE,
    TAPS,
    FLAT,
    FOURIER,
    CUMULATIVE,
)
