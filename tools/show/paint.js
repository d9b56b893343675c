// How things look. Edges lie on device pixels, so the drawing is crisp at any zoom.
function paletteOf() {
  const style = getComputedStyle(document.documentElement);
  const colors = {};
  for (const name of ['back', 'ink', 'soft', 'line', 'empty', 'partial', 'full', 'mark', 'grid'])
    colors[name] = style.getPropertyValue('--' + name).trim();
  colors.ofClass = [colors.empty, colors.partial, colors.full];
  colors.rgb = colors.ofClass.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return colors;
}

/** Fits a canvas to its place on the page and clears it; returns its context, in CSS pixels. */
function prepared(canvas) {
  const dpr = window.devicePixelRatio || 1, { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * dpr));
  canvas.height = Math.max(1, Math.round(height * dpr));
  const context = canvas.getContext('2d');
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.font = '12px system-ui, sans-serif';
  return { context, dpr, width, height };
}

/** A rectangle whose edges are rounded to device pixels, at least one of them wide. */
function snapped(port, rect, dpr) {
  const round = (value) => Math.round(value * dpr) / dpr;
  const x = round(port.pixelX(rect.x)), y = round(port.pixelY(rect.y));
  return [x, y, Math.max(round(port.pixelX(rect.x + rect.w)) - x, 1 / dpr),
          Math.max(round(port.pixelY(rect.y + rect.h)) - y, 1 / dpr)];
}

function clipTo(context, plot) {
  context.beginPath();
  context.rect(plot.left, plot.top, plot.width, plot.height);
  context.clip();
}

//--- Matrix ---

/** Adds how much of each pixel of a line the tiles [first, end) cover; `sum` and `step` add up to it. */
function cover(line, first, end, toPixel, crisp, weight) {
  let x0 = Math.max(toPixel(first), 0), x1 = Math.min(toPixel(end), line.width);
  if (crisp) x0 = Math.round(x0), x1 = Math.round(x1);
  if (x1 <= x0) return;
  const i0 = Math.floor(x0), i1 = Math.floor(x1);
  if (i0 === i1) {
    line.part[i0] += weight * (x1 - x0);
    return;
  }
  line.part[i0] += weight * (i0 + 1 - x0);
  line.part[i1] += weight * (x1 - i1);
  line.step[i0 + 1] += weight;
  line.step[i1] -= weight;
}

/** The rows of a term that a line of pixels shows, with their shares: one where rows are wider than pixels. */
function rowsAt(group, top, bottom) {
  const step = group.row_step, count = rowCountOf(group);
  const rowEnd = (i) => Math.min((i + 1) * step, queryTiles);
  if (bottom - top <= step / 2) {
    const middle = (top + bottom) / 2;
    return middle < 0 || middle >= queryTiles ? [] : [[Math.floor(middle / step), 1]];
  }
  const rows = [];
  for (let i = Math.max(0, Math.floor(top / step)); i < count && i * step < bottom; ++i) {
    const share = (Math.min(rowEnd(i), bottom) - Math.max(i * step, top)) / (bottom - top);
    if (share > 0) rows.push([i, share]);
  }
  return rows;
}

function blended(rgb, partial, full) {
  const visited = Math.min(partial + full, 1);
  if (visited < 1e-6) return rgb[0];
  // A lone visited tile among many empty ones must stay visible.
  const strength = visited > 0.999 ? 1 : Math.max(visited, 0.4);
  return [0, 1, 2].map((c) => {
    const color = (rgb[1][c] * partial + rgb[2][c] * full) / (partial + full);
    return rgb[0][c] + (color - rgb[0][c]) * strength;
  });
}

function packed([r, g, b]) { return (255 << 24 | Math.round(b) << 16 | Math.round(g) << 8 | Math.round(r)) >>> 0; }

function matrixImage(context, group, term, port, dpr, colors) {
  const width = Math.round(port.plot.width * dpr), height = Math.round(port.plot.height * dpr);
  const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  const scaleX = port.sx * dpr, scaleY = port.sy * dpr;
  const toPixel = (tile) => (tile - port.x) * scaleX;
  const firstX = Math.max(0, Math.round(toPixel(0))), endX = Math.min(width, Math.round(toPixel(keyTiles)));
  const lines = [PARTIAL, FULL].map(() => ({ width, part: new Float64Array(width + 2), step: new Float64Array(width + 2) }));
  let before = -1;
  for (let y = 0; y < height; ++y) {
    const rows = rowsAt(group, port.y + y / scaleY, port.y + (y + 1) / scaleY);
    if (!rows.length) continue;
    const only = rows.length === 1 ? rows[0][0] : -1;
    if (only >= 0 && only === before) {
      pixels.copyWithin(y * width, (y - 1) * width, y * width);
      continue;
    }
    before = only;
    for (const line of lines) line.part.fill(0), line.step.fill(0);
    const total = rows.reduce((sum, [, share]) => sum + share, 0);
    for (const [row, share] of rows)
      forRuns(rowOf(term, row), (kind, first, end) =>
        cover(lines[kind - PARTIAL], first, end, toPixel, scaleX >= 2, share / total));
    let partial = 0, full = 0, knownP = -1, knownF = -1, color = 0;
    for (let x = firstX; x < endX; ++x) {
      partial += lines[0].step[x];
      full += lines[1].step[x];
      const p = partial + lines[0].part[x], f = full + lines[1].part[x];
      if (p !== knownP || f !== knownF) color = packed(blended(colors.rgb, Math.max(p, 0), Math.max(f, 0)));
      knownP = p, knownF = f;
      pixels[y * width + x] = color;
    }
  }
  return image;
}

/** Multiples of `unit` tiles, doubled until at most `most` of them lie between the ends. */
function ticksBetween(from, to, unit, most) {
  let step = unit;
  while ((to - from) / step > most) step *= 2;
  const ticks = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) ticks.push(t);
  return ticks;
}

function paintAxes(context, port, colors) {
  const { plot } = port, slice = (grid) => productOf(grid.slice(1));
  const right = Math.min(plot.left + plot.width, port.pixelX(keyTiles));
  const bottom = Math.min(plot.top + plot.height, port.pixelY(queryTiles));
  const axis = (scale, grid) => rank > 1 && slice(grid) * scale > 24 ? slice(grid) : 1;
  const textOf = (tile, extent, tokens) => numberText(rank === 1 ? Math.min(tile * extent, tokens) : tile);
  context.strokeStyle = context.fillStyle = colors.soft;
  context.lineWidth = 1;
  context.beginPath();
  context.textAlign = 'center';
  context.textBaseline = 'top';
  const toX = port.x + (right - plot.left) / port.sx, toY = port.y + (bottom - plot.top) / port.sy;
  for (const t of ticksBetween(port.x, toX + 1e-6, axis(port.sx, map.k_tiles), Math.max((right - plot.left) / 75, 1))) {
    const x = Math.round(port.pixelX(t)) + 0.5;
    context.moveTo(x, bottom), context.lineTo(x, bottom + 5);
    context.fillText(textOf(t, map.k_tile[0], map.kv_layout[0]), x, bottom + 8);
  }
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const t of ticksBetween(port.y, toY + 1e-6, axis(port.sy, map.q_tiles), Math.max((bottom - plot.top) / 45, 1))) {
    const y = Math.round(port.pixelY(t)) + 0.5;
    context.moveTo(plot.left - 5, y), context.lineTo(plot.left, y);
    context.fillText(textOf(t, map.q_tile[0], map.layout[0]), plot.left - 8, y);
  }
  context.rect(plot.left - 0.5, plot.top - 0.5, right - plot.left + 1, bottom - plot.top + 1);
  context.stroke();
  context.fillStyle = colors.ink;
  context.textAlign = 'center';
  context.textBaseline = 'alphabetic';
  context.fillText(axisTitle('key', map.k_tile, map.k_tiles), (plot.left + right) / 2, bottom + 40);
  context.save();
  context.translate(14, (plot.top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(axisTitle('query', map.q_tile, map.q_tiles), 0, 0);
  context.restore();
}

/** The image of the last call: moving the pointer over a large map must not make it again. */
let lastImage = { key: null, image: null };
function cachedImage(context, group, term, port, dpr, colors) {
  const { plot, x, y, sx, sy } = port;
  const key = JSON.stringify([map.groups.indexOf(group), group.terms.indexOf(term), plot, x, y, sx, sy, dpr, colors.rgb]);
  if (lastImage.key !== key) lastImage = { key, image: matrixImage(context, group, term, port, dpr, colors) };
  return lastImage.image;
}

const axisTitle = (side, tile, grid) => rank === 1
  ? `${side} tokens, ${tile[0]} to a tile` : `${side} tiles, row-major in ${grid.join(' \u00d7 ')}`;

function paintMatrix(canvas, group, term, view, marks, colors) {
  const { context, dpr } = prepared(canvas), { port } = view, { plot } = port;
  if (!queryTiles || !keyTiles) return;
  const image = cachedImage(context, group, term, port, dpr, colors);
  context.putImageData(image, Math.round(plot.left * dpr), Math.round(plot.top * dpr));
  context.save();
  clipTo(context, plot);
  paintGrid(context, port, dpr, colors);
  paintMarks(context, view, marks, dpr, colors);
  context.restore();
  paintAxes(context, port, colors);
}

/** Lines between tiles that are large enough. */
function paintGrid(context, port, dpr, colors) {
  const { plot } = port;
  context.fillStyle = colors.grid;
  const right = Math.min(port.pixelX(keyTiles), plot.left + plot.width);
  const bottom = Math.min(port.pixelY(queryTiles), plot.top + plot.height);
  const line = (value) => Math.round(value * dpr) / dpr;
  if (port.sx >= 8)
    for (let t = Math.ceil(port.x); port.pixelX(t) < right; ++t)
      context.fillRect(line(port.pixelX(t)), plot.top, 1 / dpr, bottom - plot.top);
  if (port.sy >= 8)
    for (let t = Math.ceil(port.y); port.pixelY(t) < bottom; ++t)
      context.fillRect(plot.left, line(port.pixelY(t)), right - plot.left, 1 / dpr);
}

/** Frames around tiles: the one under the pointer and the one that is kept. */
function paintMarks(context, view, marks, dpr, colors) {
  context.lineWidth = 2;
  context.strokeStyle = colors.mark;
  for (const tile of marks) {
    const [x, y, w, h] = snapped(view.port, view.rectOf(tile), dpr), least = 6;
    const [grownX, grownY] = [Math.max(least - w, 0), Math.max(least - h, 0)];
    context.strokeRect(x - grownX / 2 - 1, y - grownY / 2 - 1, w + grownX + 2, h + grownY + 2);
  }
}

//--- Slices ---

function paintSliceFrames(context, port, slices, dpr, colors, titled) {
  const whole = slices.grid;
  for (let slice = 0; slice < slices.count; ++slice) {
    const rect = snapped(port, slices.rectIn(slice, whole.map(() => 0), whole), dpr);
    context.fillStyle = colors.empty;
    context.fillRect(...rect);
    if (!titled || slices.count === 1) continue;
    context.fillStyle = colors.ink;
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    const long = slices.titleOf(slice), short = long.slice(0, long.indexOf(']') + 1);
    const text = [long, short].find((t) => context.measureText(t).width <= rect[2] + 4);
    if (text) context.fillText(text, rect[0], rect[1] - 4);
  }
}

/** Calls visit(slice, box) for each slice of the last two dimensions that a box has tiles in. */
function forSlices(grid, lo, hi, visit) {
  const outer = rank - 2, c = lo.slice(0, outer);
  for (let more = true; more;) {
    visit(numberOf(c, grid.slice(0, outer)));
    let d = outer - 1;
    while (d >= 0 && ++c[d] === hi[d]) c[d] = lo[d], --d;
    more = d >= 0;
  }
}

function paintSliceGrid(context, port, slices, dpr, colors) {
  const [cellH, cellW] = [slices.tile[rank - 2] * port.sy, slices.tile[rank - 1] * port.sx];
  context.fillStyle = colors.grid;
  if (Math.min(cellH, cellW) < 8) return;
  for (let slice = 0; slice < slices.count; ++slice) {
    const [x, y, w, h] = snapped(port, slices.rectIn(slice, slices.grid.map(() => 0), slices.grid), dpr);
    const [originX, originY] = slices.origin(slice);
    for (let c = 1; c < slices.grid[rank - 1]; ++c)
      context.fillRect(Math.round(port.pixelX(originX + c * slices.tile[rank - 1]) * dpr) / dpr, y, 1 / dpr, h);
    for (let c = 1; c < slices.grid[rank - 2]; ++c)
      context.fillRect(x, Math.round(port.pixelY(originY + c * slices.tile[rank - 2]) * dpr) / dpr, w, 1 / dpr);
    context.strokeStyle = colors.line;
    context.lineWidth = 1;
    context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
  }
}

/** Whether a query tile is a place among the keys, so that it can be shown there. */
const sharesLayout = map.layout.join() === map.kv_layout.join();

/** Frames the tokens of a query tile in the slices of the keys. */
function paintQueryTile(context, port, slices, queryTile, dpr, colors) {
  const ranges = tokensOf(coordsOf(queryTile, map.q_tiles), map.q_tile, map.layout);
  const lo = ranges.map(([first], d) => Math.floor(first / map.k_tile[d]));
  const hi = ranges.map(([, last], d) => Math.floor(last / map.k_tile[d]) + 1);
  context.strokeStyle = colors.ink;
  context.lineWidth = 2;
  context.setLineDash([4, 3]);
  forSlices(map.k_tiles, lo, hi, (slice) => {
    const [x, y] = slices.origin(slice), [across, down] = [ranges[rank - 1], ranges[rank - 2]];
    const rect = { x: x + across[0], y: y + down[0], w: across[1] - across[0] + 1, h: down[1] - down[0] + 1 };
    context.strokeRect(...snapped(port, rect, dpr));
  });
  context.setLineDash([]);
}

function paintSlices(canvas, group, term, view, marks, colors) {
  const { context, dpr } = prepared(canvas), { port, slices } = view;
  if (!queryTiles || !keyTiles) return;
  context.save();
  clipTo(context, { left: 0, top: 0, width: canvas.width, height: canvas.height });
  paintSliceFrames(context, port, slices, dpr, colors, true);
  const row = rowOf(term, rowIndexOf(group, view.queryTile));
  for (let at = 0; at < row.length; at += boxFields) {
    const lo = row.slice(at + 1, at + 1 + rank), hi = row.slice(at + 1 + rank, at + boxFields);
    context.fillStyle = colors.ofClass[row[at]];
    forSlices(map.k_tiles, lo, hi, (slice) => context.fillRect(...snapped(port, slices.rectIn(slice, lo, hi), dpr)));
  }
  paintSliceGrid(context, port, slices, dpr, colors);
  if (sharesLayout) paintQueryTile(context, port, slices, rowIndexOf(group, view.queryTile) * group.row_step, dpr, colors);
  paintMarks(context, view, marks, dpr, colors);
  context.restore();
}

/** The query tiles, the darker the more key tiles they visit, and a frame around the picked one. */
function paintMinimap(canvas, group, port, slices, queryTile, colors) {
  const { context, dpr, width, height } = prepared(canvas);
  if (!queryTiles) return;
  const plot = { left: 3, top: 3, width: width - 6, height: height - 6 };
  slices.arrange(plot.width, plot.height, 0);
  port.place(plot, slices.w, slices.h, slices.aspect, 1);
  paintSliceFrames(context, port, slices, dpr, colors, false);
  context.fillStyle = colors.full;
  const drawn = queryTiles <= 20000 ? queryTiles : 0; // more would be slow, and smaller than pixels
  for (let t = 0; t < drawn; ++t) {
    const visited = visitedIn(rowOf(group.terms[0], rowIndexOf(group, t)));
    context.globalAlpha = group.tiles_worst_query ? 0.15 + 0.6 * visited / group.tiles_worst_query : 0.15;
    const [x, y, w, h] = snapped(port, slices.rectOf(coordsOf(t, map.q_tiles)), dpr);
    context.fillRect(x, y, Math.max(w - 1, 1), Math.max(h - 1, 1));
  }
  context.globalAlpha = 1;
  context.strokeStyle = colors.mark;
  context.lineWidth = 2;
  const [x, y, w, h] = snapped(port, slices.rectOf(coordsOf(queryTile, map.q_tiles)), dpr);
  context.strokeRect(x - 1, y - 1, Math.max(w, 4) + 1, Math.max(h, 4) + 1);
}
