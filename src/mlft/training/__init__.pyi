from .course import Course as Course
from .guard import Verdict as Verdict
from .guard import guard as guard
from .losses import Loss as Loss
from .losses import relative_l2 as relative_l2
from .settings import Training as Training
from .stage import restore as restore
from .stage import snapshot as snapshot
