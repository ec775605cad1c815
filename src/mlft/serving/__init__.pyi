from .command import PORT as PORT
from .command import serve as serve
from .limits import Limits as Limits
