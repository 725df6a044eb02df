"""cache_figures.py (stats|simul) ARGUMENTS...: the figures of ZEO's own tools, with times in UTC."""

import os
import sys
import time

os.environ['TZ'] = 'UTC'
time.tzset()

from ZEO.scripts import cache_simul  # noqa: E402
from ZEO.scripts import cache_stats  # noqa: E402

if __name__ == '__main__':
    tool = {'stats': cache_stats, 'simul': cache_simul}[sys.argv[1]]
    sys.exit(tool.main(sys.argv[2:]))
