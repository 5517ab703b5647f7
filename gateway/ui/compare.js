// Base against adapter: figures with intervals, the matrix, by count and kind, the worst images.

import { find, get, post, save } from './api.js';
import { fill, h } from './dom.js';
import { number, percent, signed, t } from './i18n.js';
import { answer, picture, problems } from './parts.js';

const FIGURES = {
  exact_rate: true, within_one_rate: true, mean_absolute_count_error: false,
  root_mean_square_count_error: false, reward_mean: false, parse_failure_rate: true,
};
const shown = (name, value) => (FIGURES[name] ? percent(value, 1) : number(value, 2));
const points = (name, value) => (FIGURES[name] ? `${signed(value * 100, 1)} ${t('points')}` : signed(value));

export async function open(host, { job, place, heard }) {
  const outcome = h('div', { 'aria-live': 'polite' });
  const draw = async () => {
    const asked = await find(`evaluations?job_id=${job.job_id}`, place.signal) ?? [];
    const chosen = asked.find((one) => one.evaluation_id === place.query.get('evaluation'));
    const path = chosen ? `evaluations/${chosen.evaluation_id}` : `jobs/${job.job_id}/evaluation`;
    const found = await find(path, place.signal);
    const result = chosen ? found?.evaluation : found;
    const pending = chosen && found.status === 'running';
    const choice = asked.length > 0 && h('select', { 'aria-label': t('compare.which'), onchange: (event) => { place.keep({ evaluation: event.target.value }); draw(); } },
      h('option', { value: '' }, t('compare.own')),
      asked.map((one) => h('option', { value: one.evaluation_id, selected: one === chosen }, `${one.created_at.replace('T', ' ')} · ${t(`status.${one.status}`)}`)));
    fill(host, h('div.bar-line', choice, result && files(path, job)),
      result ? comparison(result, job) : h('p.muted', pending ? t('compare.running', { share: number(found.progress) }) : chosen?.error_message ?? t(job.status === 'training' ? 'compare.later' : 'compare.none')),
      job.status === 'completed' && await elsewhere(job, place, outcome, draw), outcome);
    if (pending && !place.signal.aborted) setTimeout(() => draw().catch(() => {}), 1500);
  };
  heard.push((kind) => (kind === 'evaluation' || kind === 'over') && draw());
  await draw();
}

const files = (path, job) =>
  h('div.actions', ['csv', 'html'].map((kind) =>
    h('button.button', { onclick: () => save(`${path}.${kind}`, `${job.job_name}.${kind}`) }, t(`compare.${kind}`))));

async function elsewhere(job, place, outcome, draw) {
  const list = await get('files', place.signal);
  const select = h('select', { id: 'elsewhere' }, list.map((file) => h('option', { value: file.file_id }, file.filename)));
  const start = async () => {
    try {
      place.keep({ evaluation: (await post(`jobs/${job.job_id}/evaluate`, { file_id: select.value })).evaluation_id });
      await draw();
    } catch (error) {
      fill(outcome, problems(error));
    }
  };
  return h('section.elsewhere', h('h2', t('compare.elsewhere')),
    h('div.bar-line', h('label.field', { htmlFor: 'elsewhere' }, h('span.label', t('compare.upload')), select), h('button.button', { onclick: start }, t('compare.start'))));
}

function comparison(result, job) {
  const { base, adapter, difference, matrix, worst = [], warnings = [] } = result;
  return [
    h('section.headline', ['base', 'adapter'].map((side) =>
      h('div', { 'data-side': side }, h('p', t(side)), h('strong', percent(result[side].exact_rate, 1)), whisker(result[side].intervals?.exact_rate, result[side].exact_rate))),
      h('p.muted', t('compare.exact', { n: result.num_samples }))),
    warnings.length > 0 && h('div.callout.warn', h('ul', warnings.map((text) => h('li', text)))),
    h('div.scroll', { tabIndex: 0 }, h('table', h('thead', h('tr', ['', 'base', 'adapter', difference && 'difference'].map((key) => key != null && h('th', { scope: 'col' }, key && t(key))))),
      h('tbody', Object.keys(FIGURES).filter((name) => name in base).map((name) =>
        h('tr', h('th', { scope: 'row' }, t(`figure.${name}`)), cell(name, base, shown), cell(name, adapter, shown), difference && cell(name, difference, points)))))),
    result.interval && h('p.muted', t('compare.intervals', { confidence: percent(result.interval.confidence) })),
    matrix && h('section', h('h2', t('compare.matrix')), h('p.muted', t('compare.matrixHelp')), h('div.matrices', heat(matrix, 'base'), heat(matrix, 'adapter'))),
    h('div.parts', bars(result.by_count, 'compare.byCount'), bars(result.by_kind, 'compare.byKind')),
    worst.length > 0 && h('section', h('h2', t('compare.worst')), h('ul.pictures', worst.map((one) => far(result.file_id, one, job)))),
  ];
}

function cell(name, side, write) {
  const interval = side.intervals?.[name];
  return h('td', h('b', write(name, side[name])), interval && h('small', `${write(name, interval[0])} – ${write(name, interval[1])}`));
}

/** An interval in [0, 1] as a line with its estimate on it; the numbers are in the table. */
const whisker = (interval, value) =>
  interval && h('div.whisker', { 'aria-hidden': 'true', style: { '--from': interval[0], '--to': interval[1], '--at': value } }, h('i'), h('b'));

function heat({ true_labels: rows, answer_labels: columns, ...sides }, side) {
  const label = (text) => (text === 'no count' ? t('noCount') : text);
  return h('div.scroll', { tabIndex: 0 }, h('table.matrix', { 'data-side': side }, h('caption', t(side)),
    h('thead', h('tr', h('td'), columns.map((text) => h('th', { scope: 'col' }, label(text))))),
    h('tbody', rows.map((text, i) => {
      const all = sides[side][i].reduce((a, b) => a + b, 0) || 1;
      return h('tr', h('th', { scope: 'row' }, text), sides[side][i].map((n, j) =>
        h('td', { className: (columns[j] === text ? 'right' : '') + (n / all > 0.55 ? ' full' : ''), style: { '--share': n / all } }, n ? number(n) : '')));
    }))));
}

const bars = (parts, key) =>
  parts?.length > 0 && h('section', h('h2', t(key)), h('p.muted', t('compare.exactOnly')), h('dl.pairs', parts.map((part) =>
    h('div', h('dt', part.label, h('small.muted', number(part.num_samples))), ['base', 'adapter'].map((side) =>
      h('dd', { 'data-side': side, title: t(side), style: { '--share': part[side].exact_rate ?? 0 } }, h('i'), percent(part[side].exact_rate)))))));

const far = (fileId, one, job) =>
  h('li.card', picture(fileId, one.row, t('picture', { row: number(one.row) })), h('p.truth', h('b', number(one.true_count)), h('small.muted', one.question)),
    h('ol.answers', ['base', 'adapter'].map((side) => answer(one[side], one.true_count, t(side)))),
    h('a', { href: `#/jobs/${job.job_id}?view=try&file=${fileId}&row=${one.row}&question=${encodeURIComponent(one.question)}` }, t('compare.try')));
