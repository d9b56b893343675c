say(`One query tile: ${$('mode-slices').getAttribute('aria-pressed')}`);
let right = 0;
for (let t = 0; t < queryTiles; ++t) {
  pickQueryTile(t);
  draw();
  const row = rowOf(state.group.terms[0], rowIndexOf(state.group, t));
  let all = true;
  for (let k = 0; k < keyTiles; ++k) {
    const keyCoords = coordsOf(k, map.k_tiles);
    const own = slices.slices.rectOf(keyCoords), drawn = classAt({ queryTile: t, keyCoords });
    if (own.w * slices.port.sx > 12 && drawn !== classNames[classIn(row, keyCoords)]) all = false, say(`ERROR ${t} ${keyCoords} ${drawn}`);
  }
  right += all;
}
say(`every tile of ${right} query tiles has its colour`);
pickQueryTile(4);
draw();
hover({ queryTile: 4, keyCoords: [2, 3, 2] });
const lines = [...tip.querySelectorAll('p')].map((p) => p.textContent);
say(`${lines[0]}: ${lines.slice(1).join(', ')}`);
const box = $('minimap').getBoundingClientRect(), { x, y, w, h } = minimap.slices.rectOf(coordsOf(5, map.q_tiles));
$('minimap').dispatchEvent(new PointerEvent('pointerdown', {
  clientX: box.left + minimap.port.pixelX(x + w / 2), clientY: box.top + minimap.port.pixelY(y + h / 2) }));
say(`clicked: query tile ${slices.queryTile}`);
const before = slices.port.sx;
press('+');
const zoomed = slices.port.sx > before * 1.3;
press('0');
say(`zoomed: ${zoomed}, fitted: ${slices.port.sx === before}`);
