// An upload: how its counts are spread, what looks like a mistake, its pictures row by row.

import { find, get } from './api.js';
import { fill, h } from './dom.js';
import { number, t, when } from './i18n.js';
import { back, figure, picture } from './parts.js';

export const title = 'nav.data';
const PAGE = 48;

export async function show(main, place) {
  const files = await get('files', place.signal);
  const file = files.find((one) => one.file_id === place.id);
  if (!file) throw new Error(t('dataset.missing'));
  const grid = h('ul.pictures');
  const more = h('div.more');
  fill(
    main,
    back('#/', t('nav.data')),
    h('div.head', h('h1', file.filename), h('a.button.main', { href: `#/train?file=${file.file_id}` }, t('dataset.train'))),
    h('dl.figures', figure(t('dataset.rows'), number(file.csv_rows)), figure(t('dataset.images'), number(file.valid_images)), figure(t('dataset.time'), when(file.upload_time))),
    warnings(file.warnings),
    h('h2', t('dataset.pictures')), grid, more,
  );
  await page(file, Number(place.query.get('offset') ?? 0), grid, more, place);
}

const warnings = (list) =>
  list.length > 0 && h('div.callout.warn', h('p', t('warnings', { n: list.length })), h('ul', list.map((text) => h('li', text))));

async function page(file, offset, grid, more, place) {
  const answer = await find(`files/${file.file_id}/rows?limit=${PAGE}&offset=${offset}`, place.signal);
  if (!answer) return fill(more, h('p.muted', t('unavailable')));
  fill(grid, answer.rows.map((row) => card(file.file_id, row)));
  const go = (to) => {
    place.keep({ offset: to || null });
    page(file, to, grid, more, place).then(() => grid.scrollIntoView());
  };
  const last = Math.min(offset + PAGE, file.csv_rows);
  fill(
    more,
    h('button.button', { disabled: offset === 0, onclick: () => go(Math.max(0, offset - PAGE)) }, t('previous')),
    h('span.muted', t('range', { first: number(offset + 1), last: number(last), all: number(file.csv_rows) })),
    h('button.button', { disabled: last >= file.csv_rows, onclick: () => go(offset + PAGE) }, t('next')),
  );
}

const card = (fileId, row) =>
  h('li.card', picture(fileId, row.row, t('picture', { row: number(row.row) })),
    h('p.truth', h('b', number(row.true_count)), h('small.muted', t('row', { row: number(row.row) }))),
    h('p', row.question));
