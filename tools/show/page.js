// The page: what is picked, and what happens when somebody does something.
const $ = (id) => document.getElementById(id);
const canvas = $('canvas'), tip = $('tip');
const state = { group: map.groups[0], term: 0, slices: rank > 1 && queryTiles > 0 && keyTiles > 0, hover: null, kept: null };
const matrix = new MatrixView();
const slices = rank > 1 ? new SlicesView() : null;
const minimap = rank > 1 ? { port: new Viewport(), slices: new SliceGrid(map.layout, map.q_tile, map.q_tiles) } : null;
const viewNow = () => (state.slices ? slices : matrix);
let colors = paletteOf(), drawing = 0;

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return Object.assign(made, attributes);
}

//--- Drawing ---

function draw() {
  drawing = 0;
  const { width, height } = canvas.getBoundingClientRect(), view = viewNow();
  view.resize(width, height);
  const marks = [state.kept, state.hover].filter((tile) => tile && (!state.slices || tile.queryTile === view.queryTile));
  (state.slices ? paintSlices : paintMatrix)(canvas, state.group, state.group.terms[state.term], view, marks, colors);
  $('caption').textContent = caption();
  if (slices) paintMinimap($('minimap'), state.group, minimap.port, minimap.slices, slices.queryTile, colors);
}
/** What the drawing shows. */
function caption() {
  if (!queryTiles || !keyTiles) return 'There is nothing to draw: no queries, or no keys.';
  const term = state.term ? `${state.group.terms[state.term].text} alone. ` : '';
  if (!state.slices) return term + (rank > 1 ? 'Rows are query tiles, columns key tiles; click one to pick its query tile.' : '');
  const at = rowIndexOf(state.group, slices.queryTile) * state.group.row_step, coords = coordsOf(at, map.q_tiles);
  return `${term}The key tiles of query tile ${numberText(at)} at [${coords.join(', ')}], ` +
    `${tokensText(tokensOf(coords, map.q_tile, map.layout))}: dimension ${rank - 2} down, ${rank - 1} across` +
    (rank > 2 ? `, a slice for each tile of dimension ${rank > 3 ? '0 and 1' : '0'}.` : '.');
}

function redraw() {
  if (!drawing) drawing = requestAnimationFrame(draw);
}

//--- The numbers beside it ---

const percent = (part) => `${Number((100 * part).toPrecision(3))} %`;
const shareText = (part, whole) => `${numberText(part)} of ${numberText(whole)}` + (whole ? ` (${percent(part / whole)})` : '');
const bound = (value) => value === null ? 'nothing to do' : `${value.toFixed(2)}\u00d7`;
const layoutText = (dims) => `[${dims.join(', ')}]`;
const gridText = (grid) => grid.length > 1 ? ` (${grid.join(' \u00d7 ')})` : '';
function headsText(heads) {
  const parts = [];
  for (let i = 0, j; i < heads.length; i = j) {
    for (j = i + 1; j < heads.length && heads[j] === heads[j - 1] + 1;) ++j;
    parts.push(j - i > 1 ? `${heads[i]}\u2013${heads[j - 1]}` : `${heads[i]}`);
  }
  return (heads.length > 1 ? 'heads ' : 'head ') + parts.join(', ');
}

function tilesBar(group) {
  const bar = element('div', undefined, { className: 'bar' });
  for (const [name, tiles] of [['full', group.tiles_full], ['partial', group.tiles_visited - group.tiles_full]]) {
    const part = element('i', undefined, { className: name });
    part.style.width = `${group.tiles_all ? 100 * tiles / group.tiles_all : 0}%`;
    bar.append(part);
  }
  return bar;
}

function showFacts() {
  const group = state.group, most = group.exact ? '' : 'at most ', least = group.exact ? '' : 'at least ';
  const facts = $('facts');
  facts.replaceChildren();
  const fact = (name, ...values) => {
    facts.append(element('dt', name));
    const value = element('dd');
    value.append(...values);
    facts.append(value);
  };
  fact('Mask', element('code', group.mask));
  fact('Heads', `${headsText(group.heads)} of ${map.heads}`);
  fact('Layout', `queries ${layoutText(map.tokens)}, keys ${layoutText(map.kv_tokens)}` +
       (map.layout.length !== map.tokens.length ? ', tiled in row-major order' : '') +
       (map.q_offset ? `; the first query has position ${numberText(map.q_offset)}` : ''));
  fact('Tiles', `query ${map.q_tile.join(' \u00d7 ')}, key ${map.k_tile.join(' \u00d7 ')} tokens; ` +
       `${numberText(queryTiles)}${gridText(map.q_tiles)} by ${numberText(keyTiles)}${gridText(map.k_tiles)}`);
  fact('Density: visible pairs', most + shareText(group.visible_pairs, group.all_pairs));
  fact('Tiles visited', tilesBar(group), most + shareText(group.tiles_visited, group.tiles_all));
  fact('Of these', `${least}${numberText(group.tiles_full)} full, ${most}${numberText(group.tiles_visited - group.tiles_full)} partial` +
       (group.tiles_visited && group.tiles_full === group.tiles_visited ? ': perfectly block-sparse' : ''));
  fact('Bound on the speed-up over dense attention, by FLOP', least + bound(group.bounds.flop));
  fact('Bound by tiles', `${least}${bound(group.bounds.tile_mean)} on average; ${bound(group.bounds.tile_worst)} for the query tile ` +
       `that visits most (${numberText(group.tiles_worst_query)} key tiles)`);
  $('note').hidden = group.row_step === 1 && group.exact;
  $('note').textContent = [
    group.row_step > 1 ? `This file holds one of every ${numberText(group.row_step)} query tiles; ` +
      'each stands for those up to the next. The numbers count all tiles.' : '',
    group.exact ? '' : (readsData(state.group) ? 'This mask depends on run-time data, which is not known here'
                                               : 'This mask is too intricate to be classified exactly') +
      ': partial tiles may turn out empty or full.',
  ].join(' ').trim();
}

/** The whole mask, and each of its terms, to be drawn alone. */
function showTerms() {
  const box = $('terms'), terms = state.group.terms;
  box.hidden = terms.length < 2;
  box.replaceChildren(element('legend', 'What is drawn'));
  terms.forEach((term, index) => {
    const label = element('label'), radio = element('input', undefined, { type: 'radio', name: 'term', checked: index === state.term });
    radio.addEventListener('change', () => { state.term = index; redraw(); });
    label.append(radio, ' ', index ? element('code', term.text) : 'the whole mask');
    if (term.rule && index) label.append(element('small', term.rule));
    box.append(label);
  });
}

//--- Picking ---

function pickGroup(index) {
  Object.assign(state, { group: map.groups[index], term: 0, kept: null, hover: null });
  $('group').value = index;
  showFacts();
  showTerms();
  showTip();
  redraw();
}

function pickMode(slicesMode) {
  Object.assign(state, { slices: slicesMode, hover: null });
  $('own').hidden = !slicesMode || !sharesLayout;
  $('mode-slices').setAttribute('aria-pressed', slicesMode);
  $('mode-matrix').setAttribute('aria-pressed', !slicesMode);
  showTip();
  redraw();
}

function pickQueryTile(queryTile) {
  slices.queryTile = queryTile;
  coordsOf(queryTile, map.q_tiles).forEach((c, d) => {
    const input = $(`slider-${d}`);
    input.value = c;
    $(`slider-text-${d}`).textContent = sliderText(d, c);
  });
  state.kept = state.kept && { ...state.kept, queryTile };
  showTip();
  redraw();
}

const sliderText = (d, c) => `dim ${d}: tile ${c}, ` +
  `tokens ${rangeText([c * map.q_tile[d], Math.min((c + 1) * map.q_tile[d], map.layout[d]) - 1])}`;

function makeSliders() {
  map.q_tiles.forEach((count, d) => {
    const label = element('label');
    const input = element('input', undefined, { type: 'range', min: 0, max: Math.max(count - 1, 0), step: 1, id: `slider-${d}` });
    input.addEventListener('input', () => {
      const coords = map.q_tiles.map((_, i) => Number($(`slider-${i}`).value));
      pickMode(true);
      pickQueryTile(numberOf(coords, map.q_tiles));
    });
    label.append(element('span', '', { id: `slider-text-${d}` }), input);
    $('sliders').append(label);
  });
}

//--- The tile under the pointer ---

function fillTip(tile) {
  const said = describe(state.group, tile.queryTile, tile.keyCoords);
  const title = element('p'), list = element('ul');
  title.append(element('i', undefined, { className: `swatch ${classNames[said.state]}` }), element('b', said.title));
  for (const sentence of said.sentences) list.append(element('li', sentence));
  tip.replaceChildren(title, ...said.places.map((text) => element('p', text)), list);
  $('spoken').textContent = [said.title, ...said.places, ...said.sentences].join('; ');
}

function showTip() {
  const tile = state.kept ?? state.hover;
  tip.hidden = !tile;
  tip.classList.toggle('pinned', !!state.kept);
  if (!tile) return;
  fillTip(tile);
  tip.hidden = !state.kept && !isInView(tile);
  const view = viewNow(), stage = $('stage').getBoundingClientRect();
  const rect = view.rectOf(tile), x = view.port.pixelX(rect.x), y = view.port.pixelY(rect.y);
  const right = view.port.pixelX(rect.x + rect.w) + 12, bottom = view.port.pixelY(rect.y + rect.h) + 12;
  const place = (after, before, size, room) => Math.max(4, after + size <= room ? after : Math.max(before - size - 12, Math.min(4, room - size)));
  tip.style.left = `${place(right, x, tip.offsetWidth, stage.width)}px`;
  tip.style.top = `${Math.min(place(bottom, y, tip.offsetHeight, stage.height), Math.max(4, stage.height - tip.offsetHeight))}px`;
}

function isInView(tile) {
  const { port } = viewNow(), { x, y, w, h } = viewNow().rectOf(tile), { plot } = port;
  return port.pixelX(x + w) > plot.left && port.pixelY(y + h) > plot.top &&
    port.pixelX(x) < plot.left + plot.width && port.pixelY(y) < plot.top + plot.height;
}

function keep(tile) {
  state.kept = tile;
  state.hover = tile ?? state.hover;
  if (tile && slices && !state.slices) pickQueryTile(tile.queryTile);
  showTip();
  redraw();
}

//--- Events ---

const pointers = new Map();
let travelled = 0;
const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  viewNow().port.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...at(event));
  state.hover = viewNow().hit(...at(event));
  showTip();
  redraw();
}, { passive: false });

canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, at(event));
  travelled = 0;
});
const release = (event) => {
  if (!pointers.delete(event.pointerId)) return;
  canvas.classList.remove('dragging');
  if (event.type === 'pointerup' && travelled < 5 && !pointers.size) keep(viewNow().hit(...at(event)));
};
canvas.addEventListener('pointerup', release);
canvas.addEventListener('pointercancel', release);
canvas.addEventListener('pointermove', (event) => {
  const before = pointers.get(event.pointerId), now = at(event), { port } = viewNow();
  if (!before) {
    state.hover = viewNow().hit(...now);
  } else {
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const distance = (a, b) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1);
    if (others.length) port.zoom(distance(now, others[0]) / distance(before, others[0]), ...others[0]);
    else port.pan(now[0] - before[0], now[1] - before[1]);
    travelled += distance(now, before);
    pointers.set(event.pointerId, now);
    canvas.classList.toggle('dragging', travelled >= 5);
    state.hover = null;
  }
  showTip();
  redraw();
});
canvas.addEventListener('pointerleave', () => {
  state.hover = null;
  showTip();
  redraw();
});

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function firstTile() {
  const { plot } = viewNow().port;
  for (let i = 1; i < 64; ++i) {
    const tile = viewNow().hit(plot.left + plot.width * i / 64, plot.top + plot.height * i / 64);
    if (tile) return tile;
  }
  return null;
}
function walk(dx, dy) {
  const view = viewNow(), from = state.hover ?? state.kept;
  state.hover = from ? view.moved(from, dx, dy) : firstTile();
  state.kept = null;
  if (state.hover) {
    const { x, y, w, h } = view.rectOf(state.hover);
    view.port.show(x, y, w, h);
  }
}
const keys = {
  '+': () => viewNow().port.zoom(1.4), '=': () => viewNow().port.zoom(1.4), '-': () => viewNow().port.zoom(1 / 1.4),
  0: () => viewNow().port.fit(), Enter: () => keep(state.hover), Escape: () => { state.hover = null; keep(null); },
};
canvas.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = arrows[event.key], action = keys[event.key];
  if (!arrow && !action) return;
  event.preventDefault();
  if (action) action();
  else if (event.shiftKey) walk(...arrow);
  else viewNow().port.pan(-60 * arrow[0], -60 * arrow[1]);
  showTip();
  redraw();
});

const button = (id, action) => $(id).addEventListener('click', () => { action(); showTip(); redraw(); });
button('zoom-in', () => viewNow().port.zoom(1.6));
button('zoom-out', () => viewNow().port.zoom(1 / 1.6));
button('fit', () => viewNow().port.fit());
button('mode-slices', () => pickMode(true));
button('mode-matrix', () => pickMode(false));
button('save', () => {
  const copy = document.createElement('canvas'), context = copy.getContext('2d');
  Object.assign(copy, { width: canvas.width, height: canvas.height });
  context.fillStyle = colors.back;
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  copy.toBlob((blob) => {
    const link = element('a', undefined, { href: URL.createObjectURL(blob), download: `${map.kernel}-tiles.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
});
$('group').addEventListener('change', (event) => pickGroup(Number(event.target.value)));
$('minimap').addEventListener('pointerdown', (event) => {
  const box = $('minimap').getBoundingClientRect();
  const coords = minimap.slices.coordsAt(...minimap.port.worldAt(event.clientX - box.left, event.clientY - box.top));
  if (!coords) return;
  pickMode(true);
  pickQueryTile(numberOf(coords, map.q_tiles));
});

function recolor() {
  colors = paletteOf();
  redraw();
}
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolor);
// Paper is light, and a canvas is not painted again by the printer.
for (const [name, printing] of [['beforeprint', true], ['afterprint', false]])
  window.addEventListener(name, () => {
    document.documentElement.classList.toggle('print', printing);
    state.hover = null;
    colors = paletteOf();
    draw();
  });
new ResizeObserver(redraw).observe($('stage'));

document.title = `${map.kernel}: tile map`;
$('title').textContent = `${map.kernel}: tile map`;
map.groups.forEach((group, index) =>
  $('group').append(element('option', `${headsText(group.heads).replace(/^heads? /, '')}: ${group.mask}`, { value: index })));
$('modes').hidden = !slices;
$('query').hidden = !slices;
if (slices) makeSliders();
if (slices && queryTiles) pickQueryTile(slices.queryTile);
pickMode(state.slices);
pickGroup(0);
