// Base against adapter: figures with intervals, the matrix, the worst images.

import {
	answer, button, card, complain, deleteButton, facing, field, fileOptions, fill, find, h, keyed, measured, muted, named, number, option, percent, post, save,
	say, section, signed, sleep, t, table, uploads, warned, when,
} from './parts.js';

const SIDES = ['base', 'adapter'];
const onBoth = (draw) => SIDES.map((side) => h('div', { 'data-side': side }, draw(side)));
const share = (value) => percent(value, 1);
const points = (value) => `${signed(value * 100, 1)} ${t('points')}`;
const writer = (name, difference) => (name.endsWith('_rate') ? (difference ? points : share) : difference ? signed : measured);

export async function open(host, page) {
	const { path: jobPath, job, listeners, query } = page;
	const [outcome, more, reason] = [h('div.stack'), h('section'), muted()];
	let shown, others;
	/** Draws another result anew. */
	const draw = async (evaluated = job.status !== 'training') => {
		const asked = (await find(`evaluations?job_id=${job.job_id}`)) ?? [];
		const chosen = asked.find((one) => one.evaluation_id === query.get('evaluation'));
		const path = chosen ? `evaluations/${chosen.evaluation_id}` : `${jobPath}/evaluation`;
		const found = (chosen || evaluated) && (await find(path));
		const result = chosen ? found.evaluation : found;
		const waiting = chosen?.status === 'running';
		say(reason, waiting ? t('compare.running', { share: found.progress }) : chosen?.error_message ?? t(evaluated ? 'compare.none' : 'compare.later'));
		if (!result) fill(outcome, reason);
		else if (shown !== path) fill(outcome, h('div.actions', ['csv', 'html'].map((kind) => button(`compare.${kind}`, () => save(`${path}.${kind}`, `${job.job_name}.${kind}`)))), comparison(result, job));
		shown = result && path;
		if (job.checkpoints.length) (others ??= elsewhere(more, page, (await uploads()).data, draw))(asked, waiting);
		if (waiting) sleep(1500).then(() => host.isConnected && draw());
	};
	fill(host, outcome, more);
	listeners.push((kind) => (kind === 'evaluation' || kind === 'over') && draw(true));
	await draw();
}

function elsewhere(host, { path, job, keep, query }, data, draw) {
	const select = h('select', fileOptions(data));
	const which = h('select', job.checkpoints.map((one) => option(one, t(`compare.${one}`))));
	const start = () => post(`${path}/evaluate`, { file_id: select.value, checkpoint: which.value }).then(
		({ evaluation_id: evaluation }) => draw(keep({ evaluation })), complain);
	const place = `#/${path}?view=compare`;
	const link = (id, ...text) => h('a.button', { href: `${place}${id && `&evaluation=${id}`}`, id }, ...text);
	const name = (id) => data.find((one) => one.file_id === id)?.filename ?? t('about.deleted');
	const links = keyed('evaluation_id', (one) => link(one.evaluation_id, name(one.file_id), ' ', h('small', when(one.created_at))));
	const own = link('', t('compare.held'));
	const remove = deleteButton('compare.delete', () => `evaluations/${query.get('evaluation')}?purge=true`, () => (location.hash = place));
	const earlier = h('div.actions');
	fill(host, h('h2', t('compare.elsewhere')),
		h('div.actions', field(t('compare.upload'), select), job.checkpoints[1] && field(t('compare.which'), which), button('compare.start', start)), earlier);
	return (asked, waiting) => {
		remove.disabled = waiting;
		const choices = asked.length ? [own, ...links(asked)] : [];
		for (const one of choices) one.ariaCurrent = one.id === (query.get('evaluation') ?? '') ? 'true' : null;
		fill(earlier, choices, query.has('evaluation') && remove);
	};
}

function comparison(result, job) {
	const { base, calibration, difference, matrix, interval, worst, warnings } = result;
	return [
		h('section.panel.sides', onBoth((side) => [h('h2', t(side)), h('strong', share(result[side].exact_rate)), whisker(result[side])]), muted(t('compare.exact', { n: result.num_samples }))),
		warned(warnings),
		facing([...SIDES, 'difference'].map((key) => t(key)), named('figure.').filter((name) => name in base).map((name) =>
			[t(`figure.${name}`), ...SIDES.map((side) => scored(name, result[side])), scored(name, difference, true)])),
		muted(t('compare.intervals', { confidence: percent(interval.confidence) })),
		section('compare.matrix', muted(t('compare.matrixHelp')), h('div.halves', onBoth((side) => heat(matrix, side)))),
		h('div.halves', bars(result.by_count, 'compare.byCount'), bars(result.by_kind, 'compare.byKind')),
		calibration && section('compare.sure', muted(t('compare.sureHelp')), h('div.halves', onBoth((side) => sure(calibration[side], side)))),
		worst[0] && section('compare.worst', h('ul.pictures', worst.map((one) => far(result.file_id, one, job)))),
	];
}

export function scored(name, scores, isDifference) {
	const write = writer(name, isDifference);
	const interval = scores.intervals[name];
	return [h('b', write(scores[name])), interval && h('small', interval.map((value) => write(value)).join(' – '))];
}

function whisker({ exact_rate: value, intervals }) {
	const [from, to] = intervals.exact_rate ?? [value, value];
	return h('div.whisker', { style: { '--from': from, '--to': to, '--at': value } });
}

function heat({ true_labels: rows, answer_labels: columns, ...sides }, side) {
	const cells = (counts, label) => {
		const all = counts.reduce((sum, n) => sum + n, 0) || 1;
		return counts.map((n, i) => h(`td${columns[i] === label ? '.right' : ''}`, { style: { '--share': n / all } }, n > 0 && number(n)));
	};
	return table('.matrix', t(side), ['', ...columns.map((text) => (text === 'no count' ? t('noCount') : text))],
		rows.map((label, i) => h('tr', h('th', { scope: 'row' }, label), cells(sides[side][i], label))));
}

function sure({ abstention, bins, expected_calibration_error: error }, side) {
	const part = (caption, heads, rows) => table('', caption, [...heads, 'figure.exact_rate'].map((key) => t(key)), rows.map((row) => h('tr', row.map((text) => h('td', text)))));
	return [
		part(t('compare.off', { side: t(side), error: share(error) }), ['probability', 'answers'], bins.map((one) => [percent(one.mean_probability), number(one.num_answers), percent(one.exact_rate)])),
		part(t('compare.abstain'), ['compare.below', 'compare.kept'], abstention.map((one) => [one.abstain_below, one.answered_rate, one.exact_rate].map((value) => percent(value)))),
	];
}

const bars = (parts, key) =>
	section(key, h('p.legend', SIDES.map((side) => h('span', { 'data-side': side }, h('i', { style: { background: 'var(--side)' } }), t(side)))), h('dl', parts.map((part) =>
		h('div.pair', h('dt', part.label, h('small', number(part.num_samples))), SIDES.map((side) =>
			h('dd', { 'data-side': side }, h('progress', { value: part[side].exact_rate, ariaLabel: t(side) }), percent(part[side].exact_rate)))))));

const far = (fileId, one, job) =>
	card(fileId, one, one.question,
		h('ol.answers', SIDES.map((side) => answer(one[side], one.true_count, t(side)))),
		h('a', { href: `#/jobs/${job.job_id}?${new URLSearchParams({ view: 'ask', file: fileId, row: one.row, question: one.question })}` }, t('compare.try')));
