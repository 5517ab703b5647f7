// What the steps measured, live.

import { chart, smoothed } from './chart.js';
import { fill, h, measured, named, percent, say, short, t } from './parts.js';

const LINES = { reward_mean: [measured], exact_rate: [percent], mean_absolute_count_error: [measured], entropy: [short, '--blue'], kl: [short, '--violet'] };
const STAGES = { rollout_seconds: '--blue', reward_seconds: '--amber', learning_seconds: '--violet', step_seconds: '--ink' };
const FIELDS = Object.keys({ step: 0, ...LINES, ...STAGES });

/** A step that is done again replaces itself and what came after it. */
function add(curve, step) {
	const known = curve.step.findLastIndex((one) => one < step.step) + 1;
	for (const field of FIELDS) curve[field].splice(known, Infinity, step[field] ?? null);
}

export function open(host, { metrics, listeners, query, keep }) {
	const curve = Object.fromEntries(FIELDS.map((field) => [field, []]));
	for (const step of metrics.steps) add(curve, step);
	let latest = metrics.steps.at(-1);
	const single = ([field, [write, colour = '--accent']]) =>
		chart(t(`curve.${field}`), [
			{ colour, faint: true, of: (all, smooth) => (smooth ? all[field] : []) },
			{ colour, of: (all, smooth) => (smooth ? smoothed(all[field], Math.max(2, all.step.length / 25)) : all[field]) },
		], write);
	const stages = Object.entries(STAGES).map(([field, colour]) => ({ label: t(`curve.${field}`), colour, of: (all) => all[field] }));
	const charts = [...Object.entries(LINES).map(single), chart(t('curves.stages'), stages, short)];
	const others = named('curve.').filter((field) => !FIELDS.includes(field)).map((field) => [field, h('dd')]);
	const smooth = h('input', { type: 'checkbox', checked: query.has('smooth'), onchange: () => update(keep({ smooth: smooth.checked || null })) });
	let frame;
	const update = () => {
		// At most once a frame.
		frame ??= requestAnimationFrame(() => {
			frame = null;
			for (const { set } of charts) set(curve, smooth.checked);
			for (const [field, value] of others) say(value, short(latest?.[field]));
		});
	};
	fill(host, h('label.tick', smooth, t('curves.smooth')), h('div.charts', charts.map(({ card }) => card)),
		h('section.panel', h('h2', t('curves.latest')), h('dl.details', others.map(([field, value]) => h('div', h('dt', t(`curve.${field}`)), value)))));
	update();
	listeners.push((kind, data) => {
		if (kind !== 'step') return;
		add(curve, (latest = data));
		update();
	});
}
