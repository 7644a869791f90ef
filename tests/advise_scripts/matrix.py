"""Lists of equally long lists of floats, beside ragged and mixed ones."""

import sys

import memopt

N = int(sys.argv[1])
SWAPPED = "swapped" in sys.argv

rows = ([i + j + 0.5 for j in range(N)] for i in range(N))
matrix = memopt.FloatMatrix(rows) if SWAPPED else list(rows)
del rows

ragged = [[0.5 + i for i in range(2 + n)] for n in range(3)]
mixed = [[1.5, 2], [3.5, 4]]
small = [[1.5, 2.5], [3.5, 4.5]]
