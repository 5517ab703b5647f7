// What the steps measured, live.

import { chart, smoothed } from './chart.js';
import { number, percent, short, t } from './i18n.js';
import { fill, h, muted } from './parts.js';

const two = (value) => number(value, 2);
const LINES = { reward_mean: [two], exact_rate: [percent], mean_absolute_count_error: [two], entropy: [short, '--blue'], kl: [short, '--violet'] };
const STAGES = { rollout_seconds: '--blue', reward_seconds: '--amber', learning_seconds: '--violet', step_seconds: '--ink' };
const FIELDS = ['step', ...Object.keys(LINES), ...Object.keys(STAGES)];

/** Columns of a job's steps. */
function columns(steps) {
	return Object.fromEntries(FIELDS.map((field) => [field, steps.map((step) => step[field] ?? null)]));
}

/** A step that is done again, after an interruption, replaces itself and what came after it. */
function add(curve, step) {
	const known = curve.step.findLastIndex((one) => one < step.step) + 1;
	for (const field of FIELDS) curve[field].splice(known, Infinity, step[field] ?? null);
}

export function open(host, { metrics, listeners, query, keep }) {
	const curve = columns(metrics.steps);
	let latest = metrics.steps.at(-1);
	const single = ([field, [write, colour = '--accent']]) =>
		chart(t(`curve.${field}`), [
			{ colour, faint: true, of: (all, smooth) => (smooth ? all[field] : []) },
			{ colour, of: (all, smooth) => (smooth ? smoothed(all[field], Math.max(2, all.step.length / 25)) : all[field]) },
		], write);
	const stages = Object.entries(STAGES).map(([field, colour]) => ({ label: t(`curve.${field}`), colour, of: (all) => all[field] }));
	const charts = [...Object.entries(LINES).map(single), chart(t('curve.stages'), stages, short)];
	const details = h('dl.details');
	const waiting = muted(t('curve.waiting'));
	const smooth = h('input', { type: 'checkbox', checked: query.has('smooth'), onchange: () => update(keep({ smooth: smooth.checked || null })) });
	let frame;
	const update = () => {
		waiting.hidden = Boolean(latest);
		// At most once a frame, however quickly the steps come.
		frame ??= requestAnimationFrame(() => {
			frame = null;
			for (const { set } of charts) set(curve, smooth.checked);
			const others = Object.keys(latest ?? {}).filter((name) => t(`curve.${name}`) !== `curve.${name}` && !LINES[name] && !STAGES[name]);
			fill(details, others.map((name) => h('div', h('dt', t(`curve.${name}`)), h('dd', short(latest[name])))));
		});
	};
	fill(host, h('div.bar-line', waiting, h('label.tick', smooth, t('curve.smooth'))), h('div.charts', charts.map(({ card }) => card)),
		h('section.panel', h('h2', t('curve.latest')), details));
	update();
	listeners.push((kind, data) => {
		if (kind !== 'step') return;
		add(curve, (latest = data));
		update();
	});
}
