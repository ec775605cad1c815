from .base import Fitted as Fitted
from .base import Learner as Learner
from .base import LiftLog as LiftLog
from .base import StageLog as StageLog
from .finetune import FineTune as FineTune
from .finetune import adapt as adapt
from .lifted import Lifted as Lifted
from .one_level import OneLevel as OneLevel
