// The tile map as it lies in the page: see docs/show-json.md, "The page".
const map = JSON.parse(document.getElementById('map').textContent);
const rank = map.layout.length;
const productOf = (list) => list.reduce((a, b) => a * b, 1);
const queryTiles = productOf(map.q_tiles), keyTiles = productOf(map.k_tiles);
const EMPTY = 0, PARTIAL = 1, FULL = 2;
const classNames = ['empty', 'partial', 'full'];
const boxFields = 1 + 2 * rank;

/** Place of a row-major number in a grid, and back. */
function coordsOf(number, grid) {
  const coords = new Array(grid.length);
  for (let d = grid.length - 1; d >= 0; --d) {
    coords[d] = number % grid[d];
    number = Math.floor(number / grid[d]);
  }
  return coords;
}
const numberOf = (coords, grid) => coords.reduce((number, c, d) => number * grid[d] + c, 0);

/** Every `row_step`-th query tile has a row; this is the one drawn for `queryTile`. */
const rowIndexOf = (group, queryTile) => Math.floor(queryTile / group.row_step);
const rowCountOf = (group) => Math.ceil(queryTiles / group.row_step);

for (const group of map.groups)
  for (const term of group.terms) {
    term.starts = [];
    let start = 0;
    for (const [count] of term.rows) {
      term.starts.push(start);
      start += count;
    }
  }

/** Flat list of the boxes of a row: class, lo per dimension, hi per dimension, again and again. */
function rowOf(term, index) {
  let low = 0, high = term.starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (term.starts[middle] <= index) low = middle;
    else high = middle - 1;
  }
  const [, first, step] = term.rows[low];
  const n = index - term.starts[low];
  return step && n ? first.map((value, i) => value + n * step[i]) : first;
}

/** Class of the key tile at `coords` in a row. */
function classIn(row, coords) {
  for (let at = 0; at < row.length; at += boxFields) {
    let inside = true;
    for (let d = 0; d < rank && inside; ++d)
      inside = coords[d] >= row[at + 1 + d] && coords[d] < row[at + 1 + rank + d];
    if (inside) return row[at];
  }
  return EMPTY;
}

/** Calls visit(class, first, end) for the runs of row-major key tile numbers in a row. */
function forRuns(row, visit) {
  const grid = map.k_tiles, last = rank - 1;
  for (let at = 0; at < row.length; at += boxFields) {
    const lo = row.slice(at + 1, at + 1 + rank), hi = row.slice(at + 1 + rank, at + boxFields);
    const c = lo.slice();
    for (let more = true; more;) {
      c[last] = lo[last];
      const first = numberOf(c, grid);
      visit(row[at], first, first + hi[last] - lo[last]);
      let d = last - 1;
      while (d >= 0 && ++c[d] === hi[d]) c[d] = lo[d], --d;
      more = d >= 0;
    }
  }
}

/** How many key tiles a row visits. */
function visitedIn(row) {
  let visited = 0;
  for (let at = 0; at < row.length; at += boxFields) {
    let size = 1;
    for (let d = 0; d < rank; ++d) size *= row[at + 1 + rank + d] - row[at + 1 + d];
    visited += size;
  }
  return visited;
}

/** The tokens of a tile, one [first, last] per dimension. */
function tokensOf(coords, tile, layout) {
  return coords.map((c, d) => [c * tile[d], Math.min((c + 1) * tile[d], layout[d]) - 1]);
}
