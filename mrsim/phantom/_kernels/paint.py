"""Painting sub-cells from the top region down, along lines on which every boundary is a point.

A boundary is replaced in each sub-cell by the plane through its level at the centre and its gradient there. On a
straight line a plane bounds a half-line, so what the regions painted so far leave free stays one interval: the
lengths add up to 1 to rounding, however many regions meet. Lines run along the axis that the topmost boundary crosses
most steeply, `LINES` x `LINES` of them in a sub-cell.
"""

from numba import njit

LINES = 4


@njit(nogil=True, cache=True)
def slopes(value, pair, n0, n1, n2, i, j, k, out):
    """Write the change of a pair's level per sub-cell along the three axes, of second order where there are three."""
    here = value[pair, (i * n1 + j) * n2 + k]
    for axis in range(3):
        if axis == 0:
            n, at, step = n0, i, n1 * n2
        elif axis == 1:
            n, at, step = n1, j, n2
        else:
            n, at, step = n2, k, 1
        q = (i * n1 + j) * n2 + k
        if at > 0 and at < n - 1:
            out[axis] = 0.5 * (value[pair, q + step] - value[pair, q - step])
        elif n == 2:
            out[axis] = value[pair, q + step] - here if at == 0 else here - value[pair, q - step]
        elif at == 0:
            out[axis] = -1.5 * here + 2.0 * value[pair, q + step] - 0.5 * value[pair, q + 2 * step]
        else:
            out[axis] = 1.5 * here - 2.0 * value[pair, q - step] + 0.5 * value[pair, q - 2 * step]


@njit(nogil=True, cache=True)
def paint_lines(planes, count, part):
    """Write to part[:count] the share of a unit cell that each half-space (top first) takes, the rest to part[count].

    planes : (region, 4): level at the centre, and its change along the three axes.
    """
    axis = 0
    for a in range(1, 3):
        if abs(planes[0, 1 + a]) > abs(planes[0, 1 + axis]):
            axis = a
    first, second = (axis + 1) % 3, (axis + 2) % 3
    for c in range(count + 1):
        part[c] = 0.0
    weight = 1.0 / (LINES * LINES)
    for line in range(LINES * LINES):
        s = (line // LINES + 0.5) / LINES - 0.5
        t = (line % LINES + 0.5) / LINES - 0.5
        low, high = -0.5, 0.5
        for c in range(count):
            level = planes[c, 0] + s * planes[c, 1 + first] + t * planes[c, 1 + second]
            slope = planes[c, 1 + axis]
            if abs(slope) <= 1e-12 * (abs(level) + 1e-300):
                if level < 0.0:
                    part[c] += (high - low) * weight
                    high = low
                continue
            edge = min(max(-level / slope, low), high)
            if slope > 0.0:
                part[c] += (edge - low) * weight
                low = edge
            else:
                part[c] += (high - edge) * weight
                high = edge
            if high <= low:
                break
        part[count] += (high - low) * weight


@njit(nogil=True, cache=True)
def gather(first, last, value, n0, n1, n2, place, planes, member, slope):
    """Collect the planes that cross one sub-cell, top first; return their number and what covers the rest (-1: none).

    place : (3,) the sub-cell's indices.
    """
    count = 0
    i, j, k = place
    for pair in range(first, last):
        here = value[pair, (i * n1 + j) * n2 + k]
        slopes(value, pair, n0, n1, n2, i, j, k, slope)
        reach = 0.5 * (abs(slope[0]) + abs(slope[1]) + abs(slope[2]))
        if here <= -reach:
            return count, pair
        if here < reach:
            planes[count, 0] = here
            for a in range(3):
                planes[count, 1 + a] = slope[a]
            member[count] = pair
            count += 1
    return count, -1


@njit(nogil=True, cache=True)
def paint(start, value, share, sizes, planes, member, part, slope, filled, moved):
    """Add to filled[pair] the volume share of each (cell, region) pair; cells are CSR rows of pairs, top first.

    Parameters
    ----------
    start : (cell + 1,)
        Where the pairs of each cell begin.
    value, share : (pair, sub-cell)
        Level at the sub-cells' centres, and the share that a region keeps of what it covers there.
    sizes : (int, int, int)
        Sub-cells along the three axes, at least 2 each.
    planes, member, part, slope : (k, 4), (k,), (k + 1,), (3,)
        Room to work in, for at least as many pairs as a cell has.
    filled, moved : (pair, piece)
        What each region keeps, and what it hands to the region mixed with it, in equal pieces of the cell along the
        last axis, each a whole number of sub-cells; of the volume of a piece.
    """
    n0, n1, n2 = sizes
    pieces = filled.shape[1]
    weight = pieces / (n0 * n1 * n2)
    for cell in range(len(start) - 1):
        for i in range(n0):
            for j in range(n1):
                for k in range(n2):
                    sub, piece = (i * n1 + j) * n2 + k, k * pieces // n2
                    count, under = gather(
                        start[cell], start[cell + 1], value, n0, n1, n2, (i, j, k), planes, member, slope
                    )
                    if count:
                        paint_lines(planes, count, part)
                    else:
                        part[0] = 1.0
                    for c in range(count):
                        kept = share[member[c], sub]
                        filled[member[c], piece] += weight * part[c] * kept
                        moved[member[c], piece] += weight * part[c] * (1.0 - kept)
                    if under >= 0:
                        kept = share[under, sub]
                        filled[under, piece] += weight * part[count] * kept
                        moved[under, piece] += weight * part[count] * (1.0 - kept)
