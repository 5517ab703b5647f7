// Base against adapter: figures with intervals, the matrix, the worst images.

import { find, get, post, save, sleep } from './api.js';
import { answer, button, card, field, fileOptions, fill, h, keyed, measured, muted, named, number, percent, say, signed, t, when } from './parts.js';

const SIDES = ['base', 'adapter'];
const share = (value) => percent(value, 1);
const points = (value) => `${signed(value * 100, 1)} ${t('points')}`;
/** How a figure or its difference is written. */
const written = (name, difference) => (name.endsWith('_rate') ? (difference ? points : share) : difference ? signed : measured);

export async function open(host, page) {
	const { job, listeners, query } = page;
	const [outcome, more, reason] = [h('div.stack'), h('section'), muted()];
	let shown;
	let others;
	/** Drawn anew only where another result is there. */
	const draw = async (evaluated = job.status !== 'training') => {
		const asked = (await find(`evaluations?job_id=${job.job_id}`)) ?? [];
		const chosen = asked.find((one) => one.evaluation_id === query.get('evaluation'));
		const path = chosen ? `evaluations/${chosen.evaluation_id}` : `jobs/${job.job_id}/evaluation`;
		const found = (chosen || evaluated) && (await find(path));
		const result = chosen ? found.evaluation : found;
		const waiting = chosen?.status === 'running';
		say(reason, waiting ? t('compare.running', { share: found.progress }) : chosen?.error_message ?? t(evaluated ? 'compare.none' : 'compare.later'));
		if (!result) fill(outcome, reason);
		else if (shown !== path) fill(outcome, files(path, job), comparison(result, job));
		shown = result && path;
		if (job.status === 'completed') (others ??= elsewhere(more, page, await get('files'), draw))(asked);
		if (waiting) sleep(1500).then(() => host.isConnected && draw());
	};
	fill(host, outcome, more);
	listeners.push((kind) => (kind === 'evaluation' || kind === 'over') && draw(true));
	await draw();
}

const files = (path, job) => h('div.actions', ['csv', 'html'].map((kind) =>
	button(`compare.${kind}`, () => save(`${path}.${kind}`, `${job.job_name}.${kind}`))));

/** Shows what was asked besides, and where to ask more. */
function elsewhere(host, { job, keep, note }, uploads, draw) {
	const select = h('select', fileOptions(uploads));
	const start = () => post(`jobs/${job.job_id}/evaluate`, { file_id: select.value }).then(
		({ evaluation_id: evaluation }) => draw(keep({ evaluation })), (error) => note(error.message));
	const links = keyed('evaluation_id', (one) => h('a', { href: `#/jobs/${job.job_id}?view=compare&evaluation=${one.evaluation_id}` }, when(one.created_at)));
	const actions = h('div.actions', field(t('compare.upload'), select), button('compare.start', start));
	const earlier = h('div.actions');
	fill(host, h('h2', t('compare.elsewhere')), actions, earlier);
	return (asked) => fill(earlier, links(asked));
}

function comparison(result, job) {
	const { base, difference, matrix, interval, worst, warnings } = result;
	const heads = ['', ...SIDES, 'difference'];
	return [
		h('section.panel.sides', SIDES.map((side) =>
			h('div', { 'data-side': side }, h('h2', t(side)), h('strong', share(result[side].exact_rate)), whisker(result[side]))), muted(t('compare.exact', { n: result.num_samples }))),
		warnings.length > 0 && h('ul.callout.warn', warnings.map((text) => h('li', text))),
		h('div.scroll', { tabIndex: 0 }, h('table', h('thead', h('tr', heads.map((key) => h('th', { scope: 'col' }, key && t(key))))),
			h('tbody', named('figure.').filter((name) => name in base).map((name) =>
				h('tr', h('th', { scope: 'row' }, t(`figure.${name}`)), SIDES.map((side) => cell(name, result[side])), cell(name, difference, true)))))),
		muted(t('compare.intervals', { confidence: percent(interval.confidence) })),
		h('section', h('h2', t('compare.matrix')), muted(t('compare.matrixHelp')), h('div.halves', SIDES.map((side) => heat(matrix, side)))),
		h('div.halves', bars(result.by_count, 'compare.byCount'), bars(result.by_kind, 'compare.byKind')),
		worst.length > 0 && h('section', h('h2', t('compare.worst')), h('ul.pictures', worst.map((one) => far(result.file_id, one, job)))),
	];
}

function cell(name, side, difference) {
	const write = written(name, difference);
	const interval = side.intervals[name];
	return h('td', h('b', write(side[name])), interval && h('small', interval.map((value) => write(value)).join(' – ')));
}

function whisker({ exact_rate: value, intervals }) {
	const [from, to] = intervals.exact_rate ?? [value, value];
	return h('div.whisker', { style: { '--from': from, '--to': to, '--at': value } }, h('i'), h('b'));
}

function heat({ true_labels: rows, answer_labels: columns, ...sides }, side) {
	const label = (text) => h('th', { scope: 'col' }, text === 'no count' ? t('noCount') : text);
	const line = (text, i) => {
		const all = sides[side][i].reduce((sum, n) => sum + n, 0) || 1;
		return h('tr', h('th', { scope: 'row' }, text), sides[side][i].map((n, j) =>
			h('td', { className: columns[j] === text ? 'right' : '', style: { '--share': n / all } }, n > 0 && number(n))));
	};
	return h('div.scroll', { tabIndex: 0 }, h('table.matrix', { 'data-side': side }, h('caption', t(side)), h('thead', h('tr', h('td'), columns.map(label))), h('tbody', rows.map(line))));
}

const bars = (parts, key) =>
	h('section', h('h2', t(key)), h('dl', parts.map((part) =>
		h('div.pair', h('dt', part.label, h('small', number(part.num_samples))), SIDES.map((side) =>
			h('dd', { 'data-side': side, title: t(side), style: { '--share': part[side].exact_rate } }, h('i'), percent(part[side].exact_rate)))))));

const far = (fileId, one, job) =>
	card(fileId, one, one.question,
		h('ol.answers', SIDES.map((side) => answer(one[side], one.true_count, t(side)))),
		h('a', { href: `#/jobs/${job.job_id}?${new URLSearchParams({ view: 'try', file: fileId, row: one.row, question: one.question })}` }, t('compare.try')));
