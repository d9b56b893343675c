// Why a tile has its class: in the words of the terms of the mask, each of which has a tile map too.
const rangeText = ([first, last]) => (first === last ? '' : `${numberText(first)}\u2013`) + numberText(last);
function tokensText(ranges) {
  const text = ranges.map(rangeText).join(', ');
  return (rank === 1 ? (ranges[0][0] === ranges[0][1] ? 'token ' : 'tokens ') + text : `tokens [${text}]`);
}
const numberText = (value) => value.toLocaleString('en-US');
const nameOf = ({ text, rule }) => rule ? text + (rule.includes('(') ? ` [${rule}]` : ` (${rule})`) : text;
const readsData = (group) => group.terms.some((term) => term.data);
function listText(names) {
  return names.length < 2 ? names.join('') : names.slice(0, -1).join(', ') + ' and ' + names[names.length - 1];
}

/** A tile that reaches beyond the last key of some dimension is full for no term. */
const isRagged = (keyCoords) => {
  const last = keyCoords.map((c, d) => (c + 1) * map.k_tile[d] - 1);
  return last.some((at, d) => at >= map.kv_layout[d]) || numberOf(last, map.kv_layout) >= map.num_keys;
};

/**
 * Sentences that say what the term `index` does to a tile; `states` holds the class of every term there. Of a ragged
 * tile it is not known whether a partial term hides something.
 */
function sentencesOf(terms, states, index, ragged) {
  const term = terms[index], state = states[index], operands = term.operands;
  const of = (chosen) => chosen.flatMap((i) => sentencesOf(terms, states, i, ragged));
  const having = (...wanted) => operands.filter((i) => wanted.includes(states[i]));
  const names = (chosen) => listText(chosen.map((i) => nameOf(terms[i])));
  if (term.op === 'not')
    return [`${nameOf(terms[operands[0]])} holds for ` +
            (state === EMPTY ? 'every pair, and the negation hides them'
             : states[operands[0]] === EMPTY ? 'no pair, and the negation shows them all'
             : 'some pairs, and the negation hides those')];
  if (term.op === 'and') {
    if (state === FULL) return of(operands);
    if (state === EMPTY && having(EMPTY).length) return of(having(EMPTY));
    if (state === EMPTY) return [`no pair here is shown by ${names(operands)} at once`];
    const all = having(FULL);
    return [...of(having(EMPTY, PARTIAL)), ...(all.length ? [`${names(all)} ${all.length > 1 ? 'hide' : 'hides'} none`] : [])];
  }
  if (term.op === 'or') {
    if (state === EMPTY) return of(operands);
    if (state === FULL && having(FULL).length) return of(having(FULL));
    if (state === FULL) return [`${names(having(PARTIAL))} together show every pair`];
    const none = having(EMPTY);
    return [...of(having(PARTIAL, FULL)), ...(none.length ? [`${names(none)} ${none.length > 1 ? 'show' : 'shows'} none`] : [])];
  }
  if (term.data && state === PARTIAL) return [`${nameOf(term)} depends on run-time data`];
  return [`${nameOf(term)} ` + ['hides every pair', ragged ? 'shows some pairs or all' : 'shows some pairs and hides the others',
                               'shows every pair'][state]];
}

/** What there is to say about a tile: its class, its place, and why. */
function describe(group, queryTile, keyCoords) {
  const index = rowIndexOf(group, queryTile);
  const shown = index * group.row_step;
  const states = group.terms.map((term) => classIn(rowOf(term, index), keyCoords));
  const queryCoords = coordsOf(shown, map.q_tiles), ragged = isRagged(keyCoords);
  const place = (name, number, coords, tile, layout) =>
    `${name} tile ${numberText(number)}${rank > 1 ? ` at [${coords.join(', ')}]` : ''}: ` +
    tokensText(tokensOf(coords, tile, layout));
  return {
    state: states[0],
    title: classNames[states[0]] + (group.exact || states[0] !== PARTIAL ? '' : readsData(group) ? ', unless the data says otherwise' : ', perhaps empty or full'),
    places: [place('query', shown, queryCoords, map.q_tile, map.layout),
             place('key', numberOf(keyCoords, map.k_tiles), keyCoords, map.k_tile, map.kv_layout)],
    sentences: [...sentencesOf(group.terms, states, 0, ragged),
                ...(ragged && states[0] === PARTIAL ? ['the tile reaches beyond the last key, so it is not full'] : [])],
  };
}
