const said1 = () => [...tip.querySelectorAll('p')].map((p) => p.textContent);
const why = () => [...tip.querySelectorAll('li')].map((li) => li.textContent).join('; ');
say($('title').textContent);
say([...$('group').options].map((option) => option.textContent).join(' / '));
say([[4, 0], [4, 1], [4, 4]].map(([queryTile, key]) => classAt({ queryTile, keyCoords: [key] })).join(' '));
for (const [queryTile, key] of [[4, 0], [0, 4]]) {
  hover({ queryTile, keyCoords: [key] });
  say(`${said1()[0]}: ${said1().slice(1).join(', ')}`);
  say(why());
}
hover({ queryTile: 0, keyCoords: [0] });
press('ArrowDown', true);
press('Enter');
say(`kept by a key: ${said1()[1]}`);
press('Escape');
say(`gone: ${tip.hidden}`);
$('group').value = 1;
$('group').dispatchEvent(new Event('change'));
draw();
hover({ queryTile: 0, keyCoords: [1] });
say(`${said1()[0]}: ${why()}`);
press('Escape');
say(classAt({ queryTile: 0, keyCoords: [1] }));
$('terms').querySelectorAll('input')[1].click();
draw();
say(`alone: ${classAt({ queryTile: 0, keyCoords: [1] })}`);
hover({ queryTile: 4, keyCoords: [4] });
say(`at the end: ${why()}`);
say([...$('facts').querySelectorAll('dd')].map((dd) => dd.textContent).find((text) => text.includes(' of 25')));
