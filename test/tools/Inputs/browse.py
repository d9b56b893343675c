"""Opens a page of `attnc show --format=html` in a headless browser and does something on it.

usage: browse.py BROWSER PAGE.html SCRIPT.js: prints what the script hands to say(), and every error. `hover(tile)` moves
the pointer to a tile, `press(key, shift)` presses a key on the drawing.
"""

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BEFORE = """<script>
const said = [];
const say = (text) => said.push(text);
addEventListener('error', (event) => say('ERROR ' + event.message));
for (const kind of ['error', 'warn']) console[kind] = (...words) => say('ERROR ' + words.join(' '));
</script>
"""
AFTER = """<script>
function hover(tile) {
  const box = canvas.getBoundingClientRect(), { x, y, w, h } = viewNow().rectOf(tile), { port } = viewNow();
  const place = { clientX: box.left + port.pixelX(x + w / 2), clientY: box.top + port.pixelY(y + h / 2), pointerId: 1 };
  canvas.dispatchEvent(new PointerEvent('pointermove', place));
  draw();
}
function press(key, shiftKey = false) {
  canvas.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey }));
  draw();
}
/** The color of the middle of a tile, as it is on the canvas. */
function colorAt(tile) {
  const box = canvas.getBoundingClientRect(), { x, y, w, h } = viewNow().rectOf(tile), { port } = viewNow();
  const scale = canvas.width / box.width;
  return [...canvas.getContext('2d').getImageData(scale * port.pixelX(x + w / 2) + 2, scale * port.pixelY(y + h / 2) + 2, 1, 1).data];
}
const classAt = (tile) => {
  const rgb = colorAt(tile).slice(0, 3).join();
  return classNames[colors.rgb.findIndex((color) => color.join() === rgb)] ?? rgb;
};
setTimeout(() => {
  draw();
  try {
%s
  } catch (error) { say('ERROR ' + error.stack); }
  document.body.append(Object.assign(document.createElement('pre'), { id: 'said', textContent: said.join('\\n') }));
}, 200);
</script>
</body>"""


def main():
    browser, page, script = sys.argv[1:]
    text = Path(page).read_text(encoding="utf-8")
    text = text.replace("<body>", "<body>" + BEFORE, 1)
    head, _, tail = text.rpartition("</body>")
    text = head + AFTER % Path(script).read_text(encoding="utf-8") + tail
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        copy.write_text(text, encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
                   "--window-size=1200,900", "--virtual-time-budget=3000", "--dump-dom", copy.as_uri()]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    said = re.search(r'<pre id="said">(.*?)</pre>', dom, re.S)
    print(html.unescape(said[1]) if said else "ERROR the script did not end\n" + dom[-2000:])


main()
