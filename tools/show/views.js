// Where things are: worlds, and the window through which a canvas shows them. Lengths in CSS pixels.

/** Shows the part of a world of w x h units from (x, y) on, `sx` x `sy` pixels a unit, in `plot`. */
class Viewport {
  constructor() { this.fitted = true; }
  /** `aspect`: height of a unit to its width, or 0 where each axis fills its side. */
  place(plot, w, h, aspect, mostScale) {
    const old = this.plot && { sx: this.sx, sy: this.sy, x: this.x, y: this.y };
    Object.assign(this, { plot, w, h, mostScale });
    this.fitX = plot.width / Math.max(w, 1e-9);
    this.fitY = plot.height / Math.max(h, 1e-9);
    if (aspect) {
      this.fitX = Math.min(this.fitX, this.fitY / aspect);
      this.fitY = this.fitX * aspect;
    }
    if (this.fitted || !old) this.fit();
    else Object.assign(this, old), this.clamp();
  }
  fit() {
    Object.assign(this, { sx: this.fitX, sy: this.fitY, x: 0, y: 0, fitted: true });
    this.clamp();
  }
  zoom(factor, px = this.plot.left + this.plot.width / 2, py = this.plot.top + this.plot.height / 2) {
    const [wx, wy] = this.worldAt(px, py);
    const most = Math.max(1, this.mostScale / Math.min(this.fitX, this.fitY));
    const zoomed = Math.min(Math.max(this.sx / this.fitX * factor, 1), most);
    this.sx = this.fitX * zoomed;
    this.sy = this.fitY * zoomed;
    this.x = wx - (px - this.plot.left) / this.sx;
    this.y = wy - (py - this.plot.top) / this.sy;
    this.fitted = zoomed === 1;
    this.clamp();
  }
  pan(dx, dy) {
    this.x -= dx / this.sx;
    this.y -= dy / this.sy;
    this.fitted = false;
    this.clamp();
  }
  /** The world fills the plot, or begins where the plot does. */
  clamp() {
    const clampTo = (at, size, shown) => Math.max(0, Math.min(at, size - shown));
    this.x = clampTo(this.x, this.w, this.plot.width / this.sx);
    this.y = clampTo(this.y, this.h, this.plot.height / this.sy);
  }
  show(x, y, w, h) {
    const into = (at, shown, from, size) => from < at ? from : from + size > at + shown ? from + size - shown : at;
    this.x = into(this.x, this.plot.width / this.sx, x, w);
    this.y = into(this.y, this.plot.height / this.sy, y, h);
    this.clamp();
  }
  worldAt(px, py) { return [this.x + (px - this.plot.left) / this.sx, this.y + (py - this.plot.top) / this.sy]; }
  pixelX(wx) { return this.plot.left + (wx - this.x) * this.sx; }
  pixelY(wy) { return this.plot.top + (wy - this.y) * this.sy; }
}

/** All query tiles down, all key tiles across, by their row-major numbers; a unit is a tile. */
class MatrixView {
  constructor() { this.port = new Viewport(); }
  resize(width, height) {
    const longest = numberText(rank === 1 ? queryTiles * map.q_tile[0] : queryTiles).length;
    const left = 40 + 7.5 * longest;
    const plot = { left, top: 8, width: Math.max(width - left - 28, 40), height: Math.max(height - 56, 40) };
    const unit = rank === 1 ? map.q_tile[0] / map.k_tile[0] : 1;
    const ratio = keyTiles / Math.max(queryTiles * unit, 1);
    this.port.place(plot, keyTiles, queryTiles, ratio > 4 || ratio < 0.25 ? 0 : unit, 160);
  }
  hit(px, py) {
    const [wx, wy] = this.port.worldAt(px, py);
    if (!inside(this.port.plot, px, py) || wx < 0 || wy < 0 || wx >= keyTiles || wy >= queryTiles) return null;
    return { queryTile: Math.floor(wy), keyCoords: coordsOf(Math.floor(wx), map.k_tiles) };
  }
  rectOf(tile) {
    return { x: numberOf(tile.keyCoords, map.k_tiles), y: tile.queryTile, w: 1, h: 1 };
  }
  moved(tile, dx, dy) {
    const key = numberOf(tile.keyCoords, map.k_tiles) + dx, query = tile.queryTile + dy;
    if (key < 0 || key >= keyTiles || query < 0 || query >= queryTiles) return tile;
    return { queryTile: query, keyCoords: coordsOf(key, map.k_tiles) };
  }
}

/** A layout as slices of its last two dimensions, side by side; a unit is a token. */
class SliceGrid {
  constructor(layout, tile, grid) {
    Object.assign(this, { layout, tile, grid });
    this.sliceW = layout[rank - 1];
    this.sliceH = layout[rank - 2];
    this.count = productOf(grid.slice(0, rank - 2));
    const ratio = this.sliceW / Math.max(this.sliceH, 1);
    this.aspect = ratio > 6 ? ratio / 6 : ratio < 1 / 6 ? ratio * 6 : 1;
  }
  /** As many slices in a row as make them largest; four dimensions make a table. */
  arrange(width, height, title) {
    let best = null;
    for (let across = 1; across <= this.count; ++across) {
      if (rank === 4 && across !== this.grid[1]) continue;
      const down = Math.ceil(this.count / across);
      const scale = Math.min(width / (across * this.sliceW * 1.05),
                             Math.max(height - down * (title + 6), 10) / (down * this.sliceH * this.aspect));
      if (!best || scale > best.scale * 1.001) best = { across, down, scale };
    }
    Object.assign(this, best ?? { across: 1, down: 1, scale: 1 });
    this.pitchX = this.sliceW * 1.05;
    this.titleH = title / (this.scale * this.aspect);
    this.pitchY = this.sliceH + (title + 6) / (this.scale * this.aspect);
    this.w = this.pitchX * this.across - this.sliceW * 0.05;
    this.h = this.pitchY * this.down;
  }
  origin(slice) {
    return [this.pitchX * (slice % this.across), this.pitchY * Math.floor(slice / this.across) + this.titleH];
  }
  /** Tiles lo <= t < hi of the last two dimensions in a slice. */
  rectIn(slice, lo, hi) {
    const [x, y] = this.origin(slice);
    const edge = (c, d) => Math.min(c * this.tile[d], this.layout[d]);
    const [left, top] = [edge(lo[rank - 1], rank - 1), edge(lo[rank - 2], rank - 2)];
    return { x: x + left, y: y + top, w: edge(hi[rank - 1], rank - 1) - left, h: edge(hi[rank - 2], rank - 2) - top };
  }
  sliceOf(coords) { return numberOf(coords.slice(0, rank - 2), this.grid.slice(0, rank - 2)); }
  rectOf(coords) { return this.rectIn(this.sliceOf(coords), coords, coords.map((c) => c + 1)); }
  coordsAt(wx, wy) {
    const column = Math.floor(wx / this.pitchX), line = Math.floor(wy / this.pitchY);
    const slice = line * this.across + column;
    if (column < 0 || column >= this.across || line < 0 || slice >= this.count) return null;
    const [x, y] = this.origin(slice);
    const [tokenX, tokenY] = [wx - x, wy - y];
    if (tokenX < 0 || tokenY < 0 || tokenX >= this.sliceW || tokenY >= this.sliceH) return null;
    return [...coordsOf(slice, this.grid.slice(0, rank - 2)), Math.floor(tokenY / this.tile[rank - 2]),
            Math.floor(tokenX / this.tile[rank - 1])];
  }
  /** "[2]: 4-5": a slice's place among the slices, and its tokens there. */
  titleOf(slice) {
    const outer = coordsOf(slice, this.grid.slice(0, rank - 2));
    const tokens = outer.map((c, d) => rangeText([c * this.tile[d], Math.min((c + 1) * this.tile[d], this.layout[d]) - 1]));
    return outer.length ? `[${outer.join(', ')}]  tokens ${tokens.join(', ')}` : '';
  }
}

/** The key tiles of one query tile in their layout. */
class SlicesView {
  constructor() {
    this.port = new Viewport();
    this.slices = new SliceGrid(map.kv_layout, map.k_tile, map.k_tiles);
    this.queryTile = numberOf(map.q_tiles.map((n) => n >> 1), map.q_tiles);
  }
  resize(width, height) {
    const plot = { left: 8, top: 4, width: Math.max(width - 16, 40), height: Math.max(height - 8, 40) };
    this.slices.arrange(plot.width, plot.height, this.slices.count > 1 ? 17 : 0);
    const { w, h, aspect } = this.slices;
    this.port.place(plot, w, h, aspect, 160 / Math.min(...map.k_tile.slice(-2)));
  }
  hit(px, py) {
    const keyCoords = inside(this.port.plot, px, py) && this.slices.coordsAt(...this.port.worldAt(px, py));
    return keyCoords ? { queryTile: this.queryTile, keyCoords } : null;
  }
  rectOf(tile) { return this.slices.rectOf(tile.keyCoords); }
  /** Beyond the side of a slice comes the next slice. */
  moved(tile, dx, dy) {
    const coords = tile.keyCoords.slice(), grid = map.k_tiles;
    coords[rank - 1] += dx;
    coords[rank - 2] += dy;
    const outer = this.slices.sliceOf(coords) + (coords[rank - 1] < 0 ? -1 : coords[rank - 1] >= grid[rank - 1] ? 1 : 0);
    if (outer < 0 || outer >= this.slices.count || coords[rank - 2] < 0 || coords[rank - 2] >= grid[rank - 2]) return tile;
    const column = (coords[rank - 1] + grid[rank - 1]) % grid[rank - 1];
    return { queryTile: tile.queryTile,
             keyCoords: [...coordsOf(outer, grid.slice(0, rank - 2)), coords[rank - 2], column] };
  }
}

const inside = (plot, px, py) =>
  px >= plot.left && py >= plot.top && px < plot.left + plot.width && py < plot.top + plot.height;
